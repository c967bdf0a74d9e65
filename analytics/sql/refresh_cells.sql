-- Percentiles of the picked cells from the product-limit curve, people still waiting included. Parameter: exits.
-- Reads cell_visit; fills cell_curve.
-- Sample: entered in the window, entry exact or bounded by at most a day, at least a minute long, tracked from its start.
-- Median interval: log-log Greenwood band, 95 percent. (least(.., 600): exp() of less than -700 is an error in PostgreSQL, and 0 here.)
-- S(t) = product over exit times of (1 - d/n): summed as logarithms, compared with a tolerance of 1e-9.
insert into cell_curve
with sample as (
    select job_id, stage_id, left_at is not null and left_at <= as_of and exit_kind = any(%(exits)s) as is_exit,
           date_part('epoch', least(coalesce(left_at, as_of), as_of) - entered_at) as seconds
    from cell_visit
    where entered_at >= since and entered_at < as_of and well_dated
      and least(coalesce(left_at, as_of), as_of) - entered_at >= interval '60 seconds'
), at_times as (
    select job_id, stage_id, seconds, count(*) as leaving, count(*) filter (where is_exit) as exits
    from sample group by job_id, stage_id, seconds
), at_risk as (
    select a.*, sum(leaving) over (partition by job_id, stage_id order by seconds desc) as n from at_times a
), curve as (
    select job_id, stage_id, seconds, leaving, exits, n,
           exp(sum(case when exits = 0 then 0 when exits < n then ln(1 - exits::float8 / n) else '-infinity'::float8 end) over w) as survival,
           sum(case when exits = 0 then 0 when exits < n then exits::float8 / (n::float8 * (n - exits)) else 0 end) over w as greenwood
    from at_risk window w as (partition by job_id, stage_id order by seconds)
), banded as (
    select c.*,
           case when survival <= 0 then 0 when survival >= 1 then 1
                else exp(-least(exp(ln(-ln(survival)) + 1.959963984540054 * sqrt(greenwood) / abs(ln(survival))), 600)) end as lower,
           case when survival <= 0 then 0 when survival >= 1 then 1
                else exp(-least(exp(ln(-ln(survival)) - 1.959963984540054 * sqrt(greenwood) / abs(ln(survival))), 600)) end as upper
    from curve c
)
select job_id, stage_id,
       sum(leaving),
       sum(exits),
       min(seconds) filter (where exits > 0 and survival <= 0.5 + 1e-9) / 86400,
       min(seconds) filter (where exits > 0 and lower <= 0.5 + 1e-9) / 86400,
       min(seconds) filter (where exits > 0 and upper <= 0.5 + 1e-9) / 86400,
       min(seconds) filter (where exits > 0 and survival <= 0.15 + 1e-9) / 86400,
       max(seconds) / 86400
from banded b
group by job_id, stage_id
