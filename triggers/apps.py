from django.apps import AppConfig


class TriggersConfig(AppConfig):
    name = "triggers"
    verbose_name = "Tasks and triggers"

    def ready(self) -> None:
        """``manage.py rotate_credentials`` belongs to an earlier app, which does not know of channels."""
        from connectors import rotating
        from triggers.rotating import rotate_addresses

        rotating.others.append(rotate_addresses)
