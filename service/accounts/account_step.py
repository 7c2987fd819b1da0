"""The step with which whoever registers ends: user name and password typed, checked, and what the page says of a no."""

from collections.abc import Callable, Mapping

from flask import request
from flask.typing import ResponseReturnValue
from marshmallow import Schema

from service.accounts.checklist import sentences
from service.accounts.password_reset import WeakPassword
from service.accounts.schemas import NewAccount
from service.accounts.usernames import UnusableUsername
from service.accounts.wording import NOT_THE_SAME, USERNAMES
from service.web import load_form

Form = dict[str, str]
Load = Callable[[Schema], tuple[Form, dict[str, list[str]]]]


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
