"""The WSGI application that gunicorn serves. It serves no installation that `manage.py check` calls unsafe."""

import os

from django.core.wsgi import get_wsgi_application

from smsmanager import checks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smsmanager.settings")

application = get_wsgi_application()
checks.stop_where_unsafe()
