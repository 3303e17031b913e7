"""Entry point of the http tier: `gunicorn -c chatire/gunicorn.conf.py chatire.wsgi`."""

import os

import django

from chatire import env
from ops.requests import UTF8Handler

os.environ.setdefault("CHATIRE_TIER", "http")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", env.settings_module())

django.setup(set_prefix=False)
application = UTF8Handler()
