"""Puts the product together: the only module that knows all packages. The lists below are its table of contents."""

from sqlalchemy import Engine

import fhir.routes
import oauth.discovery
import oauth.expiry
import oauth.routes
from service import cli, clock, jobs, logs, mail
from service.accounts import expiry, passwords_pages, second_factor_pages, sign_in, sign_in_code
from service.jobs import Job
from service.member import (
    apps,
    consent,
    help,
    home,
    language,
    layout,
    member_home,
    people,
    profile,
    registration,
    select_member,
    settings_page,
)
from service.plan import recertification, sharing
from service.provider import accounts as provider_accounts
from service.provider import delegates as provider_delegates
from service.provider import home as provider_home
from service.provider import invitations as provider_invitations
from service.sandbox import demo_app, mail_page
from service.settings import Settings
from service.staff import home as staff_home
from service.web import LatchstringFlask, prepare

BLUEPRINTS = (
    # what every page stands in
    language.blueprint,
    layout.blueprint,
    # anyone
    home.blueprint,
    help.blueprint,
    sign_in.blueprint,
    sign_in_code.blueprint,
    second_factor_pages.blueprint,
    passwords_pages.blueprint,
    # members and their representatives
    registration.blueprint,
    member_home.blueprint,
    select_member.blueprint,
    consent.blueprint,
    apps.blueprint,
    people.blueprint,
    profile.blueprint,
    settings_page.blueprint,
    # provider offices and billing firms
    provider_home.blueprint,
    provider_accounts.blueprint,
    provider_delegates.blueprint,
    provider_invitations.blueprint,
    # the plan's own people
    staff_home.blueprint,
    # apps
    oauth.discovery.blueprint,
    oauth.routes.blueprint,
    fhir.routes.blueprint,
)
"""Every page and endpoint."""

INSTALLERS = (
    language.install,
    sign_in.install,
    oauth.routes.install,
    fhir.routes.install,
    # in the sandbox only
    mail_page.install,
    demo_app.install,
)
"""What a package sets up beside its routes."""

JOBS = (
    Job("mail", 0.5, jobs.deliver_mail),
    Job("certification", 3_600.0, recertification.run),
    Job("sharing", 300.0, sharing.run),
    Job(
        "janitor",
        300.0,
        jobs.janitor((*expiry.SWEEPS, *oauth.expiry.SWEEPS, jobs.delete_claimed_values, mail.delete_old)),
    ),
)
"""What the worker does, and how often in seconds."""


def create_app(settings: Settings | None = None, engine: Engine | None = None) -> LatchstringFlask:
    """The WSGI application; settings come from the environment when none are given."""
    settings = settings or Settings.from_environment()
    clock.obey(settings.clock_file)
    logs.configure()
    app = LatchstringFlask("service")
    prepare(app, settings, engine)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    for install in INSTALLERS:
        install(app)
    cli.install(app, JOBS)
    return app
