#!/bin/sh
# The two roles and the database of docs/operate.md, "Your own", with the passwords that stand in production.env. Run once
# by the postgres image when its volume is empty.
set -eu
password() { printf '%s' "$1" | sed -E 's#^[a-z]+://[^:/@]+:([^@]*)@.*#\1#'; }
psql -v ON_ERROR_STOP=1 -U postgres -v owner="$(password "$MIGRATION_DATABASE_URL")" -v app="$(password "$DATABASE_URL")" <<'SQL'
create role stagewatch_owner login password :'owner' nosuperuser nobypassrls;
create role stagewatch_app   login password :'app' nosuperuser nobypassrls;
create database stagewatch owner stagewatch_owner encoding 'UTF8' template template0;
revoke connect, temporary on database stagewatch from public;
grant connect on database stagewatch to stagewatch_app;
grant pg_read_all_stats to stagewatch_app;
SQL
