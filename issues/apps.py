from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class IssuesConfig(AppConfig):
    name = "issues"
    verbose_name = "Issues"

    def ready(self) -> None:
        # the admin finds ``admin.py`` by itself
        autodiscover_modules("rule_admin", "backtest_admin")
