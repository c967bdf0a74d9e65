-- What the rules may see of the picked cells. Reads picked_cell. Parameters: exits, since (of bulk moves), bulk (least people).
select k.job_id, k.stage_id, j.status, s.name, s.category, m.id, coalesce(m.open, 0), m.oldest_entered_at, l.left_at, b.bulks
from picked_cell k
cross join lateral (select status from ats_job j where j.id = k.job_id offset 0) j
cross join lateral (select name, category from ats_stage s where s.id = k.stage_id offset 0) s
left join lateral (select id, open, oldest_entered_at from analytics_stagemetric m
                   where m.job_id = k.job_id and m.stage_id = k.stage_id offset 0) m on true
left join lateral (select left_at from analytics_stagevisit v
                   where v.job_id = k.job_id and v.stage_id = k.stage_id and v.left_at is not null and v.exit_kind = any(%(exits)s)
                   order by v.left_at desc limit 1) l on true
left join lateral (
    select json_agg(json_build_array(extract(epoch from minute), people) order by minute) as bulks
    from (select date_trunc('minute', v.left_at) as minute, count(*) as people from analytics_stagevisit v
          where v.job_id = k.job_id and v.stage_id = k.stage_id and v.left_at > %(since)s
          group by 1 having count(*) >= %(bulk)s) g) b on true
order by k.job_id, k.stage_id
