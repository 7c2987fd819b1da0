"""What somebody typed into a form whose session ran out, or that asks for the password first: kept for ten minutes in
their own browser, sealed.

They sign in (or step up) and find the form as they left it, to be sent again by themselves: nothing is done on their
behalf. Whoever else signs in at that browser does not see it. Files that were chosen are chosen again. What is too long
for a browser to keep is shown once more before the sign-in, to be copied (decision 128).

A page that is built of what was typed (its ticks decide what it shows) takes it by `find_kept`. Into every other form
the macros of forms.html put it back by themselves (decision 131).
"""

import base64
import functools
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
from flask import Flask, Response, after_this_request, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from werkzeug.datastructures import MultiDict

from service import sealing
from service.accounts.models import Account
from service.accounts.sessions import SignedOut, current_login, find_run_out, half_login, sign_in_address
from service.accounts.stepping_up import step_up_asked_by
from service.clock import now
from service.web import browser_id, db_session, settings

LIFE = 600
DECLARED = "keeps_form"
"""The attribute by which a view is known whose form is kept."""
_COOKIE = "kept_form"
_PURPOSE = "kept-form"
_LONGEST = 2_900
"""Characters of what is sealed: a browser keeps no longer cookie."""
_WORTH_COPYING = 100
_SEEN = "seen"
_TYPED = "typed_fields"
_NONE_TYPED = "-"
"""A hidden field of every form with something to type in: the names of those fields, with spaces between."""
_OF_SHOWING = frozenset({"lang"})
"""Parameters of an address that say how a page is shown, and not what it is about."""
NEVER = frozenset({
    "csrf_token", "password", "confirmation", "code", "recovery_code", "pin", "offered", "declared", "terms",
})  # fmt: skip
"""Fields that are kept nowhere: secrets, and what one declares or agrees to, which is done anew."""
View = Callable[..., ResponseReturnValue]
Address = Callable[..., str]


class _Kept(msgspec.Struct, array_like=True):
    browser: str
    account: str
    kept_at: float
    path: str
    action: str
    fields: list[tuple[str, str]]
    query: list[tuple[str, str]] = []


def keeping(
    page: Address | None = None, names: Sequence[str] | None = None, form: Address | None = None
) -> Callable[[View], View]:
    """For a view that takes a form: keep its fields for the page it stood on where the session ran out over it, or
    where the view asks for the password again.

    `page` says which that is, of the view's own arguments; without it, it is the view's own. `names`: only these
    fields. `form`: where the form on that page is sent to, if not to this view. Outermost of all decorators: it sees
    how they refuse.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def kept(**arguments: Any) -> ResponseReturnValue:
            if request.method != "POST":
                return view(**arguments)
            try:
                answer = view(**arguments)
            except SignedOut:
                # Who lacks the other half of a sign-in is no one whose session ran out.
                owner = None if current_login() or half_login() else find_run_out(db_session())
                if owner is None:
                    raise
                following = _page(page, arguments)
                return keep(names, following, owner, sign_in_address(following), _form(form, arguments))
            login, step = current_login(), step_up_asked_by(answer)
            if login is None or step is None:
                return answer
            following = _page(page, arguments)
            return keep(names, following, login.account, url_for(step, next=following), _form(form, arguments))

        setattr(kept, DECLARED, True)
        return kept

    return decorate


def _page(page: Address | None, arguments: dict[str, Any]) -> str:
    return page(**arguments) if page else request.full_path.rstrip("?")


def _form(form: Address | None, arguments: dict[str, Any]) -> str:
    return urlsplit(form(**arguments)).path if form else request.path


def keep(
    names: Sequence[str] | None, page: str, owner: Account, way: str, form: str | None = None
) -> ResponseReturnValue:
    """Keep these fields of the form at hand for `page`, and send the browser on its way (an address of ours)."""
    wanted = request.form if names is None else names
    # An empty field is as good as none, and a long form has many.
    fields = [(name, value) for name in wanted if name not in NEVER for value in request.form.getlist(name) if value]
    path, query = urlsplit(page).path, _about(parse_qsl(urlsplit(page).query))
    content = _pack(_Kept(browser_id(), owner.id, now().timestamp(), path, form or request.path, fields, query))
    if len(content) > _LONGEST:
        return _show_once_more(_typed(fields, request.form.get(_TYPED)), way)
    answer = make_response(redirect(way, 303))
    answer.set_cookie(
        _COOKIE, sealing.seal(settings().secret_key, _PURPOSE, content), max_age=LIFE, path=path,
        httponly=True, secure=settings().https, samesite="Lax",
    )  # fmt: skip
    return answer


def _about(query: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What an address says of whom or what its page is about: one path may hold a form for each of several subjects."""
    return sorted((name, value) for name, value in query if name not in _OF_SHOWING and value)


def _typed(fields: Iterable[tuple[str, str]], names: str | None) -> list[str]:
    """The texts of the fields that are typed in: hidden values, and those of choices, say nothing to a reader."""
    if names is None:
        # A page of an earlier release: better too much than to lose a text.
        return [value for name, value in fields if name != _SEEN]
    return [value for name, value in fields if name in names.split()]


def _show_once_more(values: list[str], way: str) -> ResponseReturnValue:
    return render_template("accounts/not_kept.html", texts=_worth_copying(values), way=way), SignedOut.status


def _worth_copying(values: list[str]) -> list[str]:
    return [value for value in values if len(value) >= _WORTH_COPYING] or values


def _pack(kept: _Kept) -> str:
    return base64.b85encode(zlib.compress(msgspec.json.encode(kept), 9)).decode("ascii")


def _unpack(content: str) -> _Kept:
    return msgspec.json.decode(zlib.decompress(base64.b85decode(content)), type=_Kept)


def find_kept() -> "MultiDict[str, str] | None":
    """The fields kept in this browser for the page at hand; None where there are none, or they are too old.

    Who takes them puts them into the page: its macros do not.
    """
    g.kept_taken = True
    kept = _find()
    return MultiDict(kept.fields) if kept else None


def look_at_kept() -> "MultiDict[str, str] | None":
    """The same for a page of several steps, to know which one to show; the macros fill its form in."""
    kept = _find()
    return MultiDict(kept.fields) if kept else None


def is_kept() -> bool:
    """Whether something is kept for the page at hand."""
    return _find() is not None


def _find() -> _Kept | None:
    sealed = request.cookies.get(_COOKIE)
    if sealed is None:
        return None
    try:
        kept = _unpack(sealing.unseal(settings().secret_key, _PURPOSE, sealed))
    except (sealing.NotSealed, msgspec.DecodeError, ValueError, zlib.error):
        return None
    login = current_login()
    if login is None or login.account.id != kept.account:
        return None
    # A browser sends it to the pages beneath, too.
    if kept.path != request.path or kept.query != _about(request.args.items(multi=True)):
        return None
    if kept.browser != browser_id() or not 0 <= now().timestamp() - kept.kept_at < LIFE:
        return None
    return kept


def forget(page: str) -> Response:
    """The page, after which the browser forgets what was kept for its form."""
    return _forget(make_response(page))


def _forget(answer: Response) -> Response:
    if _COOKIE in request.cookies:
        answer.delete_cookie(_COOKIE, path=request.path)
    return answer


def install(app: Flask) -> None:
    """Give the macros of forms what they ask about each form and field."""
    app.jinja_env.globals.update(
        begins_form=_begins_form, ends_form=_ends_form, kept_value=_kept_value, kept_choice=_kept_choice,
        kept_tick=_kept_tick, holds_kept=_holds_kept, kept_left_over=_left_over,
    )  # fmt: skip


def _begins_form(action: str, seen: object = None) -> bool:
    """Whether what was typed into the form that begins here is kept; its fields are asked about until `_ends_form`.

    What was said of another version than the one `seen` on the page is none of this form's: nobody says of this one by
    a single press what they found in the other.
    """
    kept = _find_free()
    g.typed_fields = {}
    if kept is None or kept.action != urlsplit(action).path or not _is_of(kept, seen):
        g.kept_fields = None
        return False
    g.kept_fields, g.kept_shown = MultiDict(kept.fields), True
    after_this_request(_forget)
    return True


def _is_of(kept: _Kept, seen: object) -> bool:
    return seen is None or (_SEEN, str(seen)) in kept.fields


def _ends_form() -> str:
    """What stands last in a form: which of its fields are typed in."""
    g.kept_fields = None
    names: dict[str, None] = g.pop("typed_fields", {})
    # Never empty: what is empty is not kept, and a form of choices alone would pass for one of an earlier release.
    return Markup('<input type="hidden" name="{}" value="{}">').format(_TYPED, " ".join(names) or _NONE_TYPED)


def _kept_value(name: str, given: Any) -> Any:
    """What was typed into a field of the form at hand, or else what its page has for it."""
    if name not in NEVER and "typed_fields" in g:
        g.typed_fields[name] = None
    return _kept_choice(name, given)


def _kept_choice(name: str, given: Any) -> Any:
    """The same of a field that is chosen in."""
    fields = g.get("kept_fields")
    return given if fields is None else fields.get(name, "")


def _kept_tick(name: str, value: Any, given: bool) -> bool:
    fields = g.get("kept_fields")
    return given if fields is None else str(value) in fields.getlist(name)


def _holds_kept(action: str) -> bool:
    """Whether what was typed into the form that is sent there is kept: what hides the form stands open then."""
    kept = _find_free()
    return kept is not None and kept.action == urlsplit(action).path


def _left_over() -> list[str] | None:
    """The texts kept for the page at hand, and for none of the forms that it has shown, to be copied.

    They may be none, where all was chosen; None where nothing is left over.
    """
    kept = _find_free()
    if kept is None or g.get("kept_shown"):
        return None
    after_this_request(_forget)
    fields = MultiDict(kept.fields)
    return _worth_copying(_typed(kept.fields, fields.get(_TYPED)))


def _find_free() -> _Kept | None:
    """What is kept, unless the page takes it itself (`find_kept`)."""
    return _find() if request.method == "GET" and not g.get("kept_taken") else None
