"""Entry point of the http tier: `gunicorn -c chatire/gunicorn.conf.py chatire.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

from chatire import env

os.environ.setdefault("CHATIRE_TIER", "http")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", env.settings_module())

application = get_wsgi_application()
