-- Percentiles of the picked cells from the product-limit curve, people still waiting included, on the clocks asked for.
-- Parameter: exits. Reads cell_visit, job_clock, job_hold; fills cell_curve. Braces are filled in by analytics.samples.
-- Median interval: log-log Greenwood band, 95 percent. (least(.., 600): exp() of less than -700 is an error in PostgreSQL, and 0 here.)
-- S(t) = product over exit times of (1 - d/n): summed as logarithms, compared with a tolerance of 1e-9.
insert into cell_curve
{sample}, at_times as (
    -- int: sums of bigint are numeric, and those are slow
    select cell, clock, days, count(*)::int as leaving, (count(*) filter (where is_exit))::int as exits,
           (count(*) filter (where is_open))::int as still_open
    from sample group by cell, clock, days
), at_risk as (
    select a.*, sum(leaving) over (partition by cell, clock order by days rows between current row and unbounded following) as n
    from at_times a
), curve as (
    select cell, clock, days, leaving, exits, still_open, n,
           exp(sum(case when exits = 0 then 0 when exits < n then ln(1 - exits::float8 / n) else '-infinity'::float8 end) over w) as survival,
           sum(case when exits = 0 then 0 when exits < n then exits::float8 / (n::float8 * (n - exits)) else 0 end) over w as greenwood
    from at_risk window w as (partition by cell, clock order by days)
), banded as (
    select c.*,
           case when survival <= 0 then 0 when survival >= 1 then 1
                else exp(-least(exp(ln(-ln(survival)) + 1.959963984540054 * sqrt(greenwood) / abs(ln(survival))), 600)) end as lower,
           case when survival <= 0 then 0 when survival >= 1 then 1
                else exp(-least(exp(ln(-ln(survival)) - 1.959963984540054 * sqrt(greenwood) / abs(ln(survival))), 600)) end as upper
    from curve c
)
select cell, clock, sum(leaving), sum(exits), sum(still_open),
       min(days) filter (where exits > 0 and survival <= 0.5 + 1e-9),
       min(days) filter (where exits > 0 and lower <= 0.5 + 1e-9),
       min(days) filter (where exits > 0 and upper <= 0.5 + 1e-9),
       min(days) filter (where exits > 0 and survival <= 0.15 + 1e-9),
       min(days) filter (where exits > 0 and survival <= 0.05 + 1e-9),
       max(days)
from banded
group by cell, clock
