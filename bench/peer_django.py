"""django-oauth-toolkit in the smallest Django site: run as a module it makes schema and client, `app` is the site.

Nothing of the product is imported here: the process has Django's packages on its path.
"""

import os
import secrets
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import django
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path


def database(url: str) -> dict[str, Any]:
    """Django's words for a database URL of SQLAlchemy."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": parts.path[1:], "CONN_MAX_AGE": None}
    query = dict(parse_qsl(parts.query))
    options = {"options": query["options"]} if "options" in query else {}
    return {
        "ENGINE": "django.db.backends.postgresql", "NAME": parts.path[1:], "CONN_MAX_AGE": None, "OPTIONS": options,
        "HOST": query.get("host") or parts.hostname or "", "PORT": parts.port or "",
        "USER": query.get("user") or parts.username or "", "PASSWORD": parts.password or "",
    }  # fmt: skip


settings.configure(
    SECRET_KEY=secrets.token_hex(32),
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DATABASES={"default": database(os.environ["PEER_DATABASE"])},
    OAUTH2_PROVIDER={
        "SCOPES": {"introspection": "Ask about tokens"}, "ACCESS_TOKEN_EXPIRE_SECONDS": 6 * 3600,
    },
)  # fmt: skip
django.setup()
urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]
app = get_wsgi_application()


def make_client() -> None:
    """Schema and the one client."""
    call_command("migrate", verbosity=0)
    application = apps.get_model("oauth2_provider", "Application")
    application.objects.create(
        name="Bench", client_id=os.environ["PEER_CLIENT"], client_secret=os.environ["PEER_SECRET"],
        client_type=application.CLIENT_CONFIDENTIAL, authorization_grant_type=application.GRANT_CLIENT_CREDENTIALS,
    )  # fmt: skip


if __name__ == "__main__":
    make_client()
