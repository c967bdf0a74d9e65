"""Business days at a moment, from a calendar's rows gathered into arrays: one expression, which the planner inlines.

``at`` and ``starts`` are seconds since 1970; ``starts`` is sorted, and the row holding ``at`` is found by halving.
"""

from django.db import migrations

MAKE = """
create function business_days_at(at float8, starts float8[], before float8[], rates float8[]) returns float8
language sql immutable parallel safe as $$
    select case when at < starts[1] then 0::float8
                else before[width_bucket(at, starts)] + (at - starts[width_bucket(at, starts)]) * rates[width_bucket(at, starts)] end
$$
"""


class Migration(migrations.Migration):
    dependencies = [("analytics", "0005_working_calendars")]

    operations = [migrations.RunSQL(MAKE, "drop function business_days_at(float8, float8[], float8[], float8[])")]
