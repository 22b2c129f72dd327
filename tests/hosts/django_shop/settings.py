"""Settings of the shop. IndexPilot's line is that of the middleware; the one below it tells the tenant."""

import os

from psycopg.conninfo import conninfo_to_dict

_SERVER = conninfo_to_dict(os.environ["SHOP_CONNINFO"])

SECRET_KEY = "shop"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.views"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["shop"]
MIDDLEWARE = ["indexpilot_cli.host.hooks.django.QueryRecordingMiddleware"]
INDEXPILOT_TENANT = "shop.views.account_of"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _SERVER["dbname"],
        "USER": _SERVER.get("user", ""),
        "PASSWORD": _SERVER.get("password", ""),
        "HOST": _SERVER.get("host", ""),
        "PORT": _SERVER.get("port", ""),
    },
    "scratch": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
}
