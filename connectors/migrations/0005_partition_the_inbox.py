"""The inbox becomes a table of partitions by time, so that forgetting old payloads is dropping a table."""

from django.db import migrations

from config.partition_cutover import Cutover

INBOX = Cutover(table="connectors_rawevent", column="received_at", unique=[("connectors_rawevent_pkey", "id, received_at")])


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("connectors", "0004_erased_record"), ("config", "0002_partition_functions")]
    operations = INBOX.operations()
