-- People named in the batch. Parameters: organization, connector. Reads stg_candidate (null = not told).
-- Of two tellings the later wins field by field, the earlier only fills gaps; an erased person stays erased.
insert into ats_candidate as c (organization_id, connector_id, external_id, name, email, source, facts_at)
select %(organization)s, %(connector)s, s.external_id, coalesce(s.name, ''), coalesce(s.email, ''), coalesce(s.source, ''), s.told_at
from stg_candidate s
cross join lateral (
    select not exists (
        select 1 from ats_candidate o
        where o.connector_id = %(connector)s and o.external_id = s.external_id
          and (o.erased_at is not null or s.told_at is null
               or (o.name, o.email, o.source) = (coalesce(s.name, o.name), coalesce(s.email, o.email), coalesce(s.source, o.source))
               or s.told_at < o.facts_at and (o.name <> '' or s.name is null) and (o.email <> '' or s.email is null)
                  and (o.source <> '' or s.source is null))
        offset 0) as news) as n
where n.news
order by s.external_id
on conflict (connector_id, external_id) do update set
    name = case when excluded.facts_at >= coalesce(c.facts_at, '-infinity') then coalesce(nullif(excluded.name, ''), c.name)
                else coalesce(nullif(c.name, ''), excluded.name) end,
    email = case when excluded.facts_at >= coalesce(c.facts_at, '-infinity') then coalesce(nullif(excluded.email, ''), c.email)
                 else coalesce(nullif(c.email, ''), excluded.email) end,
    source = case when excluded.facts_at >= coalesce(c.facts_at, '-infinity') then coalesce(nullif(excluded.source, ''), c.source)
                  else coalesce(nullif(c.source, ''), excluded.source) end,
    facts_at = greatest(c.facts_at, excluded.facts_at)
where c.erased_at is null and excluded.facts_at is not null
