-- The sample itself as arrays, for whoever makes many curves of it. Parameter: exits. Braces are filled in by analytics.samples.
{sample}
select array_agg(cell), array_agg(days), array_agg(is_exit::int4), array_agg(is_open::int4) from sample
