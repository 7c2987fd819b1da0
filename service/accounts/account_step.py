"""The steps with which whoever registers ends: the code out of the e-mail, user name and password, signing in."""

from collections.abc import Callable, Mapping

from flask import redirect, request
from flask.typing import ResponseReturnValue
from marshmallow import Schema

from service.accounts import devices, enrolling, sessions
from service.accounts.checklist import sentences
from service.accounts.email_codes import Flow
from service.accounts.enrolling import UnderWay
from service.accounts.models import Account
from service.accounts.password_reset import WeakPassword
from service.accounts.schemas import NewAccount, OnlyCode
from service.accounts.usernames import UnusableUsername
from service.accounts.wording import CODE_REFUSED, NOT_THE_SAME, USERNAMES
from service.web import db_session, load_form

Form = dict[str, str]
Load = Callable[[Schema], tuple[Form, dict[str, list[str]]]]


def take_code(
    under_way: UnderWay, flow: Flow, page: Callable[[Mapping[str, object]], str], *, then: str, load: Load = load_form
) -> ResponseReturnValue:  # fmt: skip
    """Answer the posted code: a right one leads to the address `then`, any other is shown by `page` with its errors."""
    form, errors = load(OnlyCode())
    if errors:
        return page(errors), 400
    if enrolling.verify_code(db_session(), under_way, flow, form["code"]) is None:
        return page({"code": [CODE_REFUSED]}), 400
    return redirect(then, 303)


def take_account(
    page: Callable[[Mapping[str, object], Form], str], opened: Callable[[str, str], ResponseReturnValue],
    *, load: Load = load_form,
) -> ResponseReturnValue:  # fmt: skip
    """Answer the posted form: `opened` is called with user name and password once the form is whole.

    It may raise UnusableUsername or WeakPassword. Those, and what is wrong with the form, are shown by `page`, which is
    given errors by field and what was typed; the password's check button shows it without errors.
    """
    form, errors = load(NewAccount())
    if "check" in request.form:
        return page({}, form)
    if not errors and form["confirmation"] != form["password"]:
        errors = {"confirmation": [str(NOT_THE_SAME)]}
    if errors:
        return page(errors, form), 400
    try:
        return opened(form["username"], form["password"])
    except UnusableUsername as unusable:
        return page({"username": [USERNAMES[type(unusable)]]}, form), 400
    except WeakPassword as weak:
        return page({"password": sentences(weak.verdict)}, form), 400


def enter(account: Account) -> None:
    """Sign the person in whose account was opened just now; this device is known from then on."""
    session = db_session()
    sessions.start(session, account, device_id=devices.remember(session, account))
