from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("analytics", "0012_moves_at"),
    ]

    operations = [
        migrations.AddField(
            model_name="baseline",
            name="course",
            field=models.BinaryField(db_default=b"", default=b""),
        ),
    ]
