"""Puts the product together: the only module that knows all packages. Its list of blueprints is the contents."""

import importlib
from typing import Any

from sqlalchemy import Engine

from service import clock
from service.settings import Settings
from service.web import LatchstringFlask, prepare

# While the packages are being built this list names modules; it becomes plain imports.
_MODULES = (
    "service.accounts.sign_in", "service.accounts.passwords_pages", "service.accounts.reset_pages",
    "service.member.registration", "service.member.home",
    "service.member.member_home", "service.member.settings_page", "service.member.profile",
    "service.member.select_member", "service.member.consent", "service.member.apps", "service.member.help",
    "oauth.models", "fhir.models", "service.mail", "service.jobs", "oauth.routes", "oauth.discovery", "fhir.routes", "service.sandbox.mail_page", "service.sandbox.demo_app",
)  # fmt: skip


def _load() -> list[Any]:
    loaded = []
    for name in _MODULES:
        try:
            loaded.append(importlib.import_module(name))
        except ImportError:
            continue
    return loaded


_LOADED = _load()


def create_app(settings: Settings | None = None, engine: Engine | None = None) -> LatchstringFlask:
    """The WSGI application; settings come from the environment when none are given."""
    settings = settings or Settings.from_environment()
    clock.obey(settings.clock_file)
    app = LatchstringFlask("service")
    prepare(app, settings, engine)
    for module in _LOADED:
        if hasattr(module, "blueprint"):
            app.register_blueprint(module.blueprint)
        if hasattr(module, "install"):
            module.install(app)
    return app
