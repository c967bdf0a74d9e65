from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("analytics", "0011_cells_behind"),
    ]

    operations = [
        migrations.AddField(
            model_name="stagemetric",
            name="moves_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="stagemetric",
            index=models.Index(fields=["moves_at"], name="stagemetric_moves"),
        ),
    ]
