"""Puts the product together: the only module that knows all packages. The lists below are its table of contents."""

from sqlalchemy import Engine

import fhir.routes
import oauth.discovery
import oauth.expiry
import oauth.routes
from service import cli, clock, jobs, logs, mail
from service.accounts import expiry, passwords_pages, sign_in
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
from service.provider import home as provider_home
from service.provider import mailbox as provider_mailbox
from service.sandbox import demo_app, mail_page
from service.settings import Settings
from service.staff import gate as staff_gate
from service.staff import hand_overs as staff_hand_overs
from service.staff import home as staff_home
from service.staff import mailbox as staff_mailbox
from service.staff import not_listed as staff_not_listed
from service.staff import second_looks as staff_second_looks
from service.staff import users as staff_users
from service.web import LatchstringFlask, prepare

BLUEPRINTS = (
    # what every page stands in
    language.blueprint,
    layout.blueprint,
    # anyone
    home.blueprint,
    help.blueprint,
    sign_in.blueprint,
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
    provider_mailbox.blueprint,
    # the plan's own people
    staff_home.blueprint,
    staff_mailbox.blueprint,
    staff_users.blueprint,
    staff_hand_overs.blueprint,
    staff_not_listed.blueprint,
    staff_second_looks.blueprint,
    # apps
    oauth.discovery.blueprint,
    oauth.routes.blueprint,
    fhir.routes.blueprint,
)
"""Every page and endpoint."""

INSTALLERS = (
    language.install,
    sign_in.install,
    staff_gate.install,
    oauth.routes.install,
    fhir.routes.install,
    # in the sandbox only
    mail_page.install,
    demo_app.install,
)
"""What a package sets up beside its routes."""

JOBS = (
    Job("mail", 0.5, jobs.deliver_mail),
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
