"""The update log becomes a table of partitions by time, so that forgetting old updates is dropping a table."""

from django.db import migrations, models

from config.partition_cutover import Cutover

LOG = Cutover(
    table="realtime_update",
    column="created_at",
    unique=[("realtime_update_pkey", "id, created_at"), ("update_number_once", "organization_id, number, created_at")],
    dropped=["update_number_once", "update_prune"],
)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("realtime", "0002_update_without_constraint"), ("config", "0002_partition_functions")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=LOG.operations(),
            state_operations=[
                migrations.RemoveConstraint(model_name="update", name="update_number_once"),
                migrations.RemoveIndex(model_name="update", name="update_prune"),
                migrations.AddConstraint(
                    model_name="update",
                    constraint=models.UniqueConstraint(fields=("organization", "number", "created_at"), name="update_number_once"),
                ),
            ],
        )
    ]
