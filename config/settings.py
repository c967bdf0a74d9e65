"""The one settings file, read from the environment. `.env.example` lists every variable with its meaning.

Grouped as: paths, Django, database, cache and channels, Celery, DRF, admin, product, telemetry.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import dj_database_url
from django.templatetags.static import static as static_address

from config import embedded, env, local_secrets, logs, redis_url, telemetry

# --- paths ---------------------------------------------------------------------------------------
BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = embedded.var_dir()

# --- Django --------------------------------------------------------------------------------------
DEBUG = env.flag("DEBUG", False)
SECRET_KEY = env.secret("SECRET_KEY") or local_secrets.secret_key(VAR_DIR)
ALLOWED_HOSTS = env.listing("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.listing("CSRF_TRUSTED_ORIGINS")
CSRF_FAILURE_VIEW = "config.problems.csrf_failed"

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "config",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "django_celery_beat",
    "django_filters",
    "django_prometheus",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
    "knox",
    "channels",
    "accounts",
    "connectors",
    "ats",
    "analytics",
    "issues",
    "triggers",
    "realtime",
]

MIDDLEWARE = [
    "config.middleware.correlate",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.middleware.content_policy",
    "axes.middleware.AxesMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
APPEND_SLASH = False  # contract: paths have no trailing slash
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT") or VAR_DIR / "static")
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # collectstatic writes a .gz beside each file, which is served to whoever takes it
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

#: guessing passwords: one name from one address is shut out for a while. By both, so that nobody can shut others out
#: from elsewhere; and in the database, so that it holds while Redis is away
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = env.integer("LOGIN_ATTEMPTS", 10, minimum=1)
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_CLIENT_IP_CALLABLE = "config.addresses.client"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "config.middleware.locked_out"
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True  # who logs in when is nobody's business here
AXES_VERBOSE = False

SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
#: set to true behind TLS: secure cookies, HSTS and the redirect follow from it
SECURE = env.flag("SECURE", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = SECURE
SESSION_COOKIE_HTTPONLY = True
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", 31_536_000) if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
#: preloading binds a whole domain for ever: its owner's decision, not a setting of one service
SILENCED_SYSTEM_CHECKS = ["security.W021"]
#: asked inside the network, by address and without TLS; they tell nothing that needs it
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
#: whose word on where a request comes from counts (X-Forwarded-For); a proxy that is not named here is taken for the client
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("TRUST_PROXY", False) else None

# --- database ------------------------------------------------------------------------------------
_OWN_URL = env.url("DATABASE_URL", ("postgresql", "postgres"))
DATABASE_URL = _OWN_URL or embedded.database_url(VAR_DIR)
#: the owner of the tables runs migrations; everything else runs as a role that owns nothing
MIGRATION_DATABASE_URL = env.url("MIGRATION_DATABASE_URL", ("postgresql", "postgres")) or (
    _OWN_URL or embedded.migration_database_url(VAR_DIR)
)
#: web processes run many threads behind one pool; workers fork and must not (psycopg#1232)
DATABASE_POOL_SIZE = env.integer("DATABASE_POOL_SIZE", 0)

_database: dict[str, Any] = dj_database_url.parse(DATABASE_URL)  # type: ignore[assignment]
_database["CONN_HEALTH_CHECKS"] = True
_database["CONN_MAX_AGE"] = 0 if DATABASE_POOL_SIZE else 600
_database.setdefault("OPTIONS", {})
_database["OPTIONS"]["application_name"] = env.text("STAGEWATCH_PROCESS", "manage")
#: a killed process says no good-bye: without it, the server finds out when the statement or the wait for a lock is over
CLIENT_CHECK = f"-c client_connection_check_interval={env.integer('CLIENT_CHECK_MS', 1_000)}"
# below the soft time limit of a step: a stuck statement must not outlive its task
_database["OPTIONS"]["options"] = (
    f"{CLIENT_CHECK} -c statement_timeout={env.integer('STATEMENT_TIMEOUT_MS', 120_000)}"
    f" -c lock_timeout={env.integer('LOCK_TIMEOUT_MS', 60_000)}"
    " -c idle_in_transaction_session_timeout=180000 -c timezone=UTC"
)
if DATABASE_POOL_SIZE:
    _database["OPTIONS"]["pool"] = {"min_size": 1, "max_size": DATABASE_POOL_SIZE, "timeout": 10}
DATABASES = {"default": _database}

# --- Redis: a hint, never a store ------------------------------------------------------------------
REDIS_URL = env.url("REDIS_URL", redis_url.SCHEMES) or embedded.redis_url(VAR_DIR)

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        # redis-py 8 cuts idle reads after 5 s unless told otherwise (channels_redis#422)
        "CONFIG": {"hosts": [{"address": redis_url.database(REDIS_URL, redis_url.CHANNELS), "socket_timeout": None}], "prefix": "sw"},
    }
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": redis_url.database(REDIS_URL, redis_url.CACHE),
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
    }
}

# --- Celery --------------------------------------------------------------------------------------
CELERY_BROKER_URL = redis_url.broker(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 15,  # without it a silently dropped connection leaves a worker deaf for minutes
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "visibility_timeout": 1800,  # > 3 x the hard time limit: the clock starts at fetch, not at start
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 2, "interval_start": 0.1, "interval_step": 0.3, "interval_max": 1}
CELERY_TASK_IGNORE_RESULT = True  # rows are the record; results in Redis would only pile up
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_RETRY_ON_WORKER_LOST = True
#: a killed child's task again this soon (Celery's default is three minutes); counted in the row, and the sweep comes after
CELERY_TASK_ANNOTATIONS = {"*": {"default_retry_delay": 3}}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
#: how much a worker's processes give way to the others on the same machine (nice(1): 0 not at all, 19 entirely)
WORKER_NICENESS = env.integer("WORKER_NICENESS", 10, maximum=19)
CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 600_000  # kB
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10.0
# not on idle: with prefetch off an idle worker holds nothing, and would only make every Ctrl-C take this long
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_SOFT_TIME_LIMIT = 300
CELERY_TASK_TIME_LIMIT = 360
CELERY_TASK_DEFAULT_QUEUE = "sync"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_BEAT_SCHEDULER = "config.beat:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
CELERY_TIMEZONE = "UTC"

from config.flow import QUEUES  # noqa: E402  (the road names its own queues)

CELERY_TASK_ROUTES = {name: {"queue": queue} for name, queue in QUEUES.items()}

# --- API -----------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PAGINATION_CLASS": "config.drf.CursorPagination",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.drf.problem",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["config.parsing.PlainJSONParser"],
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_THROTTLE_RATES": {"sync": "30/minute", "tickets": "120/minute"},
}
REST_KNOX = {
    "TOKEN_TTL": timedelta(days=365),
    "AUTH_HEADER_PREFIX": "Token",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Stagewatch",
    "DESCRIPTION": "Hiring-pipeline observability over the ATS a company already has.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",  # plain JSON Schema inside: the tests hold real answers against it
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVERS": [],
    "SWAGGER_UI_DIST": "SIDECAR",  # own assets: the page loads nothing from elsewhere
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "config.openapi.add_problems"],
    "ENUM_NAME_OVERRIDES": {
        "JobStatusEnum": "config.openapi.JOB_STATUSES",
        "ApplicationStatusEnum": "ats.models.Application.Status",
        "IssueStatusEnum": "issues.models.Issue.Status",
        "TaskStatusEnum": "triggers.models.Task.Status",
        "ConnectorStatusEnum": "connectors.models.Connector.Status",
        "SyncStateEnum": "connectors.models.SyncRun.State",
        "SyncModeEnum": "connectors.models.SyncRun.Mode",
        "SeverityEnum": "issues.models.Severity",
        "StageCategoryEnum": "config.openapi.STAGE_CATEGORIES",
        "PrecisionEnum": "config.openapi.PRECISIONS",
        "ClockEnum": "config.openapi.CLOCKS",
        "UnitEnum": "config.openapi.UNITS",
        "BandEnum": "config.openapi.BANDS",
        "BaselineLevelEnum": "config.openapi.LEVELS",
        "TaskChoiceEnum": "config.openapi.TASK_CHOICES",
    },
}

# --- admin ---------------------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "Stagewatch",
    "SITE_HEADER": "Stagewatch",
    "SITE_URL": "/",
    "SITE_ICON": lambda request: static_address("stagewatch/icon.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static_address("stagewatch/icon.svg")}],
    "DASHBOARD_CALLBACK": "triggers.landing.dashboard",
    "SIDEBAR": {"navigation": "config.navigation.sidebar", "show_all_applications": True, "show_search": False},
    "STYLES": [lambda request: static_address("stagewatch/admin.css")],
    "SCRIPTS": [lambda request: static_address("stagewatch/admin.js")],
    "COLORS": {  # the heatmap's orange
        "primary": {
            "50": "oklch(98% .016 73.684)", "100": "oklch(95.4% .038 75.164)", "200": "oklch(90.1% .076 70.697)",
            "300": "oklch(83.7% .128 66.29)", "400": "oklch(75% .183 55.934)", "500": "oklch(70.5% .213 47.604)",
            "600": "oklch(55.3% .195 38.402)", "700": "oklch(47% .157 37.304)", "800": "oklch(40.8% .123 38.172)",
            "900": "oklch(34% .1 37)", "950": "oklch(26.6% .079 36.259)",
        },
    },
}  # fmt: skip

# --- product -------------------------------------------------------------------------------------
#: Fernet keys for connector credentials, newest first; the first writes, all read (not SECRET_KEY)
CREDENTIAL_KEYS = env.fernet_keys("CREDENTIAL_KEYS") or [local_secrets.fernet_key(VAR_DIR)]
#: raw events per batch: larger ones spread the fixed cost of a batch thinner, smaller ones are on the screen sooner
BATCH_SIZE = env.integer("BATCH_SIZE", 20_000, minimum=1)
#: no data is not recovery: with an older last sync nothing opens and nothing resolves itself
STALE_AFTER = timedelta(minutes=env.integer("STALE_AFTER_MINUTES", 30, minimum=1))

# --- retention: how long what has done its work is kept; 0 for ever ----------------------------------
#: raw payloads, whole weeks at once; dead letters and what is not through yet stay
RAW_EVENT_RETENTION = timedelta(days=env.integer("RAW_EVENT_RETENTION_DAYS", 90))
#: updates, whole days at once: a browser away for longer reloads
UPDATE_RETENTION = timedelta(hours=env.integer("UPDATE_RETENTION_HOURS", 24, minimum=1))
#: runs that ended, with their batches
SYNC_RUN_RETENTION = timedelta(days=env.integer("SYNC_RUN_RETENTION_DAYS", 30))
#: resolved issues, with their tasks and decisions
ISSUE_RETENTION = timedelta(days=env.integer("ISSUE_RETENTION_DAYS", 730))
#: what people did in the admin
ADMIN_LOG_RETENTION = timedelta(days=env.integer("ADMIN_LOG_RETENTION_DAYS", 730))

#: lets the setup page connect a provider's server on this machine over plain http (the sandbox); never in production
ALLOW_LOCAL_PROVIDERS = env.flag("ALLOW_LOCAL_PROVIDERS", False)
#: where people reach the pages, for links in messages; empty: messages hold none
PUBLIC_URL = env.url("PUBLIC_URL", ("http", "https")).rstrip("/")
#: the mail server notifications go through, and who they are from
SMTP_URL = env.url("SMTP_URL", ("smtp", "smtps", "smtp+starttls"))
MAIL_FROM = env.text("MAIL_FROM", "stagewatch@localhost")
#: whether a channel may lead to http:// and into private networks; for operators who know what listens there
NOTIFY_PRIVATE_ADDRESSES = env.flag("NOTIFY_PRIVATE_ADDRESSES", False)
#: streams one person may hold open in one web process
STREAMS_PER_USER = env.integer("STREAMS_PER_USER", 50, minimum=1)

# --- telemetry -----------------------------------------------------------------------------------
SENTRY_DSN = env.url("SENTRY_DSN", ("https", "http"))
#: scrapers send it as a bearer token; unset, only staff and direct connections from private addresses may scrape
METRICS_TOKEN = env.secret("METRICS_TOKEN")
#: host:port on which a worker or beat answers scrapers itself; unset where it shares a folder of values with a web process
METRICS_LISTEN = env.address("METRICS_LISTEN")
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOG_FORMAT = env.choice("LOG_FORMAT", "plain", ("plain", "json"))
LOGGING = logs.configuration(level=LOG_LEVEL, style=LOG_FORMAT)

telemetry.init_sentry(SENTRY_DSN)
