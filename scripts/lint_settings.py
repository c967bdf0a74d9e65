"""The settings with the migration linter among the apps: it belongs to the checks, not to the product.

Expand/contract: while a new version's migrations have run, processes of the version before still write. So no column is
dropped or renamed before nothing uses it, and a new column that is not null has a default of the database (``db_default``).
A migration that breaks this on purpose says so with ``django_migration_linter.operations.IgnoreMigration`` and a reason.
"""

from config.settings import *  # noqa: F403
from config.settings import BASE_DIR, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django_migration_linter"]

#: Written before 0.1: no installation has run the version before them beside them.
BEFORE_THE_FIRST_RELEASE = [
    "0002_remove_connector_leased_by_and_more",
    "0002_remove_watch_watch_due_issue_opened_at_and_more",
    "0002_rules_ladder_absences_trail",
    "0003_alter_stagemetric_completed_seconds",
    "0003_raw_payload_as_told",
    "0004_erased_record",
]

MIGRATION_LINTER_OPTIONS = {
    "project_root_path": str(BASE_DIR),
    "no_cache": True,
    "include_apps": ["accounts", "analytics", "ats", "config", "connectors", "issues", "realtime", "triggers"],
    "ignore_name": BEFORE_THE_FIRST_RELEASE,
    # names of variables in migrations are style; CREATE INDEX on tables that have just been made or are small is judged by people
    "exclude_migration_tests": [
        "RUNPYTHON_MODEL_VARIABLE_NAME", "RUNPYTHON_ARGS_NAMING_CONVENTION", "CREATE_INDEX", "CREATE_INDEX_EXCLUSIVE", "DROP_INDEX",
    ],
    "quiet": ["ok", "ignore", "warning"],
}  # fmt: skip
