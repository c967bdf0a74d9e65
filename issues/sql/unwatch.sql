-- Nobody waits any more: applications without an open visit leave the queue, unless an issue of theirs is still unresolved.
delete from issues_watch w using (
    select t.application_id from touched t
    where not exists (select 1 from analytics_stagevisit v where v.application_id = t.application_id and v.left_at is null offset 0)
      and not exists (select 1 from issues_issue i where i.application_id = t.application_id and i.status <> 'resolved' offset 0)
    offset 0) gone
where w.application_id = gone.application_id
