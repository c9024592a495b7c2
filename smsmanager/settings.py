"""Settings, from the environment. `.env.example` lists every variable; docs/operations.md explains them.

Two modes: `embedded` (the default: one machine, SQLite, a broker of its own, loopback only) and
`production` (PostgreSQL, Redis, HTTPS), where smsmanager/checks.py refuses what is unsafe.
"""

from pathlib import Path
from typing import Any

import bootstrap  # type: ignore[import-untyped]
import dj_database_url
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _
from kombu import Queue

from smsmanager import environment, gateway_settings, hours

BASE_DIR = Path(__file__).resolve().parent.parent

MODE = environment.choice("SMSMANAGER_MODE", ("embedded", "production"), "embedded")
EMBEDDED = MODE == "embedded"
DATA_DIR = Path(environment.text("SMSMANAGER_DATA_DIR", str(BASE_DIR / "var"))).resolve()

DEBUG = environment.flag("SMSMANAGER_DEBUG", default=False)
SECRET_KEY = environment.text("SMSMANAGER_SECRET_KEY")
if EMBEDDED and not SECRET_KEY:
    SECRET_KEY = environment.embedded_secret_key(DATA_DIR)
ALLOWED_HOSTS = environment.words("SMSMANAGER_ALLOWED_HOSTS", ("127.0.0.1", "localhost", "[::1]") if EMBEDDED else ())
CSRF_TRUSTED_ORIGINS = environment.words("SMSMANAGER_CSRF_TRUSTED_ORIGINS")

# --- The house ---------------------------------------------------------------------------------

INSTALLED_APPS = [
    "smsmanager.apps.SmsManagerConfig",
    "smsmanager.apps.AdministrationConfig",
    "inbox",
    "compose",
    "senders",
    "credits",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",
    "csp",
    "crispy_forms",
    "crispy_bootstrap5",
    "django_htmx",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "smsmanager.urls"
WSGI_APPLICATION = "smsmanager.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "smsmanager.context.frame",
            ],
            # Its `csrf_token` says in which account a form was made, too.
            "builtins": ["credits.templatetags.forms_of_members"],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"

# --- Database ----------------------------------------------------------------------------------

DATABASES: dict[str, Any] = {
    "default": dj_database_url.parse(
        environment.text("DATABASE_URL", f"sqlite:///{DATA_DIR / 'smsmanager.sqlite3'}"),
        conn_max_age=60,
        conn_health_checks=True,
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    environment.private_directory(DATA_DIR)
    DATABASES["default"]["OPTIONS"] = {
        # A transaction that will write says so at its start: it waits for its turn (`timeout`, seconds)
        # instead of failing half-way with "database is locked".
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # synchronous: a commit is on the disk. A mark (compose/marks.py) that a power cut took away would let what it
        # stands for leave twice. recursive_triggers: without it INSERT OR REPLACE passes the ledger's delete trigger.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA recursive_triggers=ON;",
    }
    # A file rather than memory, so that tests may open it from several threads and processes.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
else:
    # A machine that vanishes or freezes inside a transaction leaves its locks behind, and the server would wait two
    # hours for it; here a minute. No transaction of ours waits for anything but the database.
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault(
        "options",
        "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3 -c tcp_user_timeout=60000 "
        "-c idle_in_transaction_session_timeout=60000",
    )

# --- Broker and workers ------------------------------------------------------------------------

REDIS_URL = environment.text("REDIS_URL")
if not REDIS_URL and EMBEDDED:
    REDIS_URL = f"unix://{environment.broker_socket(DATA_DIR)}?db=0"

# kombu calls a Redis on a Unix socket redis+socket://; the redis client calls it unix://.
CELERY_BROKER_URL = (
    REDIS_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)
    if REDIS_URL.startswith("unix://")
    else REDIS_URL
)

# How safe each of these is and why: docs/operations.md, "What happens to a task".
# A worker that cannot reach the broker tries again for ever, at its start too.
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# Nudges carry no result, no argument and no time of departure: the table holds the schedule. So a task that a killed
# worker held may be done again, and one that is done twice does no harm.
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
# One that runs when the broker goes away is finished all the same; to end it half-way would leave a chunk in doubt.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
# A process takes no task before it has done the one in its hands.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Each limit is longer than what stands before it, whatever the lease. A claim is this worker's for one lease; a task
# of dispatch begins its last chunk after at most three and a half (compose/lanes.py); the soft limit ends what hangs
# with a sentence in the log, the hard one kills the process; and a task comes again only when nobody can have it.
SMS_LEASE_SECONDS = environment.number("SMSMANAGER_LEASE_SECONDS", 120)
CELERY_TASK_SOFT_TIME_LIMIT = 5 * SMS_LEASE_SECONDS
CELERY_TASK_TIME_LIMIT = 6 * SMS_LEASE_SECONDS
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 10 * SMS_LEASE_SECONDS,
    # A page that cannot reach the broker says its nudge once and goes on: the table is the queue.
    "max_retries": 0,
    "interval_start": 0,
    "socket_connect_timeout": 2,
    # A broker that takes the connection and then says nothing must not keep a page waiting for ever.
    "socket_timeout": 5,
}
# What a library may leak ends with its process, between two tasks; the memory is in KiB, several times what one needs.
CELERY_WORKER_MAX_TASKS_PER_CHILD = 5000
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 512 * 1024
# Celery would close the connection to the database before and after each task, and a new one costs more than what most
# tasks do. smsmanager/celery.py looks at the kept one instead; Django closes it when it is CONN_MAX_AGE old.
CELERY_DB_REUSE_MAX = 1_000_000
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
# Two lanes (compose/queues.py). A worker serves those that its option -Q names, and both without it.
CELERY_TASK_DEFAULT_QUEUE = "interactive"
CELERY_TASK_QUEUES = [Queue("interactive"), Queue("bulk")]
CELERY_TASK_ROUTES = {
    "compose.tasks.dispatch_bulk": {"queue": "bulk"},
    # Nobody waits for these, and they may take long.
    "inbox.tasks.prune_events": {"queue": "bulk"},
    "smsmanager.tasks.verify_ledger": {"queue": "bulk"},
}
# Celery's beat, which goes on when the clock of its machine was set back, and looks at that clock all the time.
CELERY_BEAT_SCHEDULER = "smsmanager.beat:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
# A tick that finds no free worker within its interval is dropped: the next one does the same work.
CELERY_BEAT_SCHEDULE = {
    "dispatch what is due": {
        "task": "compose.tasks.dispatch_due",
        "schedule": 1.0,
        "options": {"expires": 5},
    },
    "dispatch what is due to many": {
        "task": "compose.tasks.dispatch_bulk",
        "schedule": 1.0,
        "options": {"expires": 5},
    },
    "bring back what a crash left": {
        "task": "compose.tasks.sweep",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "fetch reports and replies": {
        "task": "inbox.tasks.collect",
        "schedule": 1.0,
        "options": {"expires": 5},
    },
    "do what accounts want done about received messages": {
        "task": "inbox.tasks.react",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "delete old events of gateways": {
        "task": "inbox.tasks.prune_events",
        "schedule": 3600.0,
        "options": {"expires": 600},
    },
    "look at balances that run low": {
        "task": "credits.tasks.watch_balances",
        "schedule": 20.0,
        "options": {"expires": 20},
    },
    "begin payments that were not begun": {
        "task": "credits.tasks.begin_payments",
        "schedule": 20.0,
        "options": {"expires": 20},
    },
    "send letters": {
        "task": "credits.tasks.send_letters",
        "schedule": 20.0,
        "options": {"expires": 20},
    },
    "prove the ledger": {
        "task": "smsmanager.tasks.verify_ledger",
        "schedule": 3600.0,
        "options": {"expires": 600},
    },
}

# --- Gateways ----------------------------------------------------------------------------------

# From the file that SMSMANAGER_GATEWAYS names, or SMSMANAGER_GATEWAY: smsmanager/gateway_settings.py. Which message
# goes by which gateway is in the table of routes (compose/routing.py).
SMS_GATEWAYS: dict[str, dict[str, Any]] = gateway_settings.gateways(
    redis_url=REDIS_URL, default="simulator" if EMBEDDED else "console"
)
# The checks can tell of a file where a secret in it comes from.
SMS_GATEWAYS_FROM_FILE = bool(environment.text(gateway_settings.FILE))
# Under which address the public reaches this installation, and so the gateways' doors; "" where nobody said.
SMS_PUBLIC_URL = gateway_settings.public_url()
# After so many chunks in a row that it did not take, a gateway rests for a while: compose/breakers.py.
SMS_BREAKER_FAILURES = environment.number("SMSMANAGER_BREAKER_FAILURES", 5)

# --- Watching it ---------------------------------------------------------------------------------

# /readyz says no when beat was not seen for so long, or when a message has been due for so long, both in seconds.
SMS_READY_BEAT_SECONDS = environment.number("SMSMANAGER_READY_BEAT_SECONDS", 120)
# A worker of the interactive lane is seen with each task that it begins. Where all of their processes send, the next
# one begins when the soft time limit ends them at the latest: after five leases.
SMS_READY_WORKER_SECONDS = max(SMS_READY_BEAT_SECONDS, CELERY_TASK_SOFT_TIME_LIMIT)
SMS_READY_OLDEST_DUE_SECONDS = environment.number("SMSMANAGER_READY_OLDEST_DUE_SECONDS", 900)
# Who has it may read /metrics; "": nobody.
SMS_METRICS_TOKEN = environment.text("SMSMANAGER_METRICS_TOKEN")

# --- Payments ----------------------------------------------------------------------------------

# credits/payments/base.py says what a backend is. "manual": the administrator confirms each order.
SMS_PAYMENTS: dict[str, Any] = {"BACKEND": "credits.payments.manual.ManualPayments", "OPTIONS": {}}
# Of the prices of packs, as ISO 4217 names it.
SMS_CURRENCY = environment.text("SMSMANAGER_CURRENCY", "EUR")

# --- The rules of the product, that an installation may set -------------------------------------

SMS_STOP_NUMBER = environment.text("SMSMANAGER_STOP_NUMBER", "36111")
# What a received answer costs its account, in thousandths of a credit; 0: nothing.
SMS_REPLY_PRICE = environment.amount("SMSMANAGER_REPLY_PRICE", 1000)
# A submission to more recipients goes in the bulk lane.
SMS_BULK_RECIPIENTS = environment.number("SMSMANAGER_BULK_RECIPIENTS", 100, least=0)
# Where workers of one machine take turns at large batches (compose/turns.py).
SMS_TURNS_DIR = environment.turns_directory(DATA_DIR)
SMS_VALIDITY_HOURS = environment.number("SMSMANAGER_VALIDITY_HOURS", 48)
SMS_REPLY_WINDOW_HOURS = environment.number("SMSMANAGER_REPLY_WINDOW_HOURS", 48)
SMS_UNCONFIRMED_DAYS = environment.number("SMSMANAGER_UNCONFIRMED_DAYS", 7)
# So long the missing parts of a received message are waited for.
SMS_PARTS_HOURS = environment.number("SMSMANAGER_PARTS_HOURS", 24)
# So long the raw events of gateways are kept that no received message came of; 0: for ever.
SMS_KEEP_EVENTS_DAYS = environment.number("SMSMANAGER_KEEP_EVENTS_DAYS", 90, least=0)
SMS_COMMERCIAL_WINDOWS = hours.windows("SMSMANAGER_COMMERCIAL_WINDOW", "SMSMANAGER_COMMERCIAL_WINDOWS")
SMS_TWINS = environment.table("SMSMANAGER_TWINS")
# Words beside those of inbox/optout.py with which somebody asks for no more messages.
SMS_STOP_WORDS = environment.words("SMSMANAGER_STOP_WORDS")
# What who answers STOP is told, once; "{account}" is the name of the account. "": nothing.
SMS_STOP_CONFIRMATION = environment.text("SMSMANAGER_STOP_CONFIRMATION")

# --- People, language, time ---------------------------------------------------------------------

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "compose"
LOGOUT_REDIRECT_URL = "login"
AUTHENTICATION_BACKENDS = ["credits.access.MemberBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
PASSWORD_RESET_TIMEOUT = 4 * 3600

LANGUAGE_CODE = "fr"
LANGUAGES = [("fr", _("French")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_I18N = True
USE_TZ = True
TIME_ZONE = environment.zone("SMSMANAGER_TIME_ZONE", "Europe/Paris")

# --- E-mail -------------------------------------------------------------------------------------

DEFAULT_FROM_EMAIL = environment.text("SMSMANAGER_DEFAULT_FROM_EMAIL", "sms@localhost")
EMAIL_HOST = environment.text("SMSMANAGER_EMAIL_HOST")
EMAIL_PORT = environment.number("SMSMANAGER_EMAIL_PORT", 587)
EMAIL_HOST_USER = environment.text("SMSMANAGER_EMAIL_USER")
EMAIL_HOST_PASSWORD = environment.text("SMSMANAGER_EMAIL_PASSWORD")
EMAIL_USE_TLS = environment.flag("SMSMANAGER_EMAIL_TLS", default=True)
EMAIL_TIMEOUT = 10
# Who is told of orders that wait and of a ledger that does not add up; every superuser where nobody is named.
ADMINS = [(address, address) for address in environment.words("SMSMANAGER_ADMINS")]
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'filebased'}.EmailBackend"
EMAIL_FILE_PATH = str(DATA_DIR / "mail")

# --- Static files -------------------------------------------------------------------------------

STATIC_URL = "static/"
# Where production collects them; embedded they are served from where they are.
STATIC_ROOT = environment.text("SMSMANAGER_STATIC_ROOT") or (None if EMBEDDED else str(BASE_DIR / "build" / "static"))
STATICFILES_DIRS: list[Any] = [
    BASE_DIR / "static",
    # The wheel is a namespace package of files only: css/ and js/.
    ("bootstrap", next(iter(bootstrap.__path__))),
]
# Embedded: served from where they are. Production: collected, compressed, and named by their content.
WHITENOISE_USE_FINDERS = EMBEDDED
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(DATA_DIR / "files")},
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if EMBEDDED
        else "smsmanager.staticfiles.HashedStaticFilesStorage",
    },
}

# --- Security -----------------------------------------------------------------------------------

HTTPS = environment.flag("SMSMANAGER_HTTPS", default=not EMBEDDED)
SECURE_SSL_REDIRECT = HTTPS
# Asked from inside, past the proxy. The metrics are not: their token must not travel in the clear.
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
BEHIND_PROXY = environment.flag("SMSMANAGER_BEHIND_PROXY", default=False)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "smsmanager_session"
SESSION_ENGINE = "smsmanager.sessions"
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# A text of 1 MB and 100 000 pasted numbers reach the form, which answers with a sentence; more than
# this is refused by the server before it is read.
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024
# Only the page that adds to the STOP list takes a file, in memory and bounded, with a handler of its own
# (compose/uploads.py). Elsewhere small ones are dropped from memory; Django's other handler would write a large one
# to the disk before anybody asked who sends it, and nothing limits how large.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# What pages and letters about errors never show.
DEFAULT_EXCEPTION_REPORTER = "smsmanager.error_reports.ErrorReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "smsmanager.error_reports.ErrorReportFilter"

# --- Logging ------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "smsmanager.log_lines.Lines",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": environment.text("SMSMANAGER_LOG_LEVEL", "INFO")},
    # The clock ticks every second: "sent", "received" and "succeeded" of each tick would bury the rest.
    "loggers": {name: {"level": "WARNING"} for name in ("celery.beat", "celery.worker.strategy", "celery.app.trace")}
    # What `manage.py runserver` writes of each request.
    | {"django.server": {"handlers": ["stderr"], "filters": ["queries of doors"], "propagate": False}}
    # Anybody can ask for any host: a line of the log for each is enough, without a letter to the administrators.
    | {"django.security.DisallowedHost": {"handlers": ["stderr"], "propagate": False}},
    "filters": {"queries of doors": {"()": "smsmanager.log_lines.QueriesOfDoors"}},
}
