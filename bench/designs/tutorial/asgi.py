"""What uvicorn serves."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")

from django.core.asgi import get_asgi_application

http = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

from chat.consumers import Chat

application = ProtocolTypeRouter(
    {"http": http, "websocket": URLRouter([path("ws/<room>/", Chat.as_asgi())])}
)
