"""What each notice says, in a headline and a sentence, and where to read more."""

from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _

from service.accounts.notice_model import Notice, NoticeKind
from service.accounts.notices import Topic


@dataclass(frozen=True)
class Said:
    """A headline and a sentence; `by_owner` is the sentence where the reader did it, `by_nobody` where no person did.

    `way` is where to read more, `way_name` what the link says.
    """

    headline: LazyString
    sentence: LazyString
    by_owner: LazyString | None = None
    by_nobody: LazyString | None = None
    way: str = ""
    way_name: LazyString | None = None


@dataclass(frozen=True)
class Whose:
    """Whose information a notice is about. `name` is the other member's, None where the reader is not to learn it.

    `select` is the FHIR Patient id of the member whom the reader has to act for first, empty where they do already;
    `is_closed` says that they may not act for that member now.
    """

    is_own: bool = True
    name: str | None = None
    select: str = ""
    is_closed: bool = False


NOBODYS = Whose()


@dataclass(frozen=True)
class Message:
    """A notice as the page shows it. `about` says whose information it is about, where that is not the reader's own.

    `way` is empty where there is nothing more to read; `is_closed` says that it is closed to the reader now.
    """

    id: str
    at: datetime
    headline: str
    sentence: str
    about: str
    is_new: bool
    way: str
    way_name: str
    is_closed: bool


_CONSOLE = ("apps.index", _("Open App Management Console"))
_SETTINGS = ("settings_page.index", _("Open Settings"))
_FACTOR = ("second_factor.index", _("Open the page of your authenticator app"))

SAID: dict[NoticeKind, Said] = {
    NoticeKind.WELCOME: Said(
        _("Welcome"), _("Your account is open. Here you can read what happens in it, and to the information you share.")
    ),
    NoticeKind.PASSWORD_CHANGED: Said(
        _("Your password was changed"),
        _("You were signed out on every device. If it was not you, create a new password at once."), None, None,
        *_SETTINGS,
    ),
    NoticeKind.MANY_WRONG_TRIES: Said(
        _("Somebody tried many passwords"),
        _("They did not get in. If it was not you, choose a password that nobody can guess."), None, None, *_SETTINGS,
    ),
    NoticeKind.NEW_DEVICE: Said(
        _("New sign-in to your account"),
        _(
            "Somebody signed in on a device or browser that we had not seen before. "
            "If it was not you, create a new password at once: that signs everybody out."
        ), None, None, *_SETTINGS,
    ),
    NoticeKind.REGISTRATION_TRIED: Said(
        _("Somebody tried to register with your details"),
        _("Nothing was changed. If it was you: you have this account already."),
    ),
    NoticeKind.PORTAL_REGISTRATION_TRIED: Said(
        _("Somebody tried to register for the provider portal with your e-mail address"),
        _("Nothing was changed. If it was you: you have this account already."),
    ),
    NoticeKind.FACTOR_SET_UP: Said(
        _("An authenticator app was set up"),
        _("From now on a code from it is asked for at sign-in. If it was not you, please call us."), None, None,
        *_FACTOR,
    ),
    NoticeKind.FACTOR_REMOVED: Said(
        _("Your authenticator app was removed"),
        _("Your password alone opens your account now. If it was not you, create a new password at once."), None, None,
        *_FACTOR,
    ),
    NoticeKind.FACTOR_GUESSED: Said(
        _("Somebody entered wrong codes after your password"),
        _("They know your password. If it was not you, create a new password at once."), None, None, *_SETTINGS,
    ),
    NoticeKind.RECOVERY_CODE_USED: Said(
        _("A recovery code was used"),
        _("Each works once. If few are left, make new ones."), None, None, *_FACTOR,
    ),
    NoticeKind.RECOVERY_CODES_ENDED: Said(
        _("Your recovery codes do not work any more"),
        _("We changed a key of our servers. Throw the old codes away and make new ones."), None, None, *_FACTOR,
    ),
    NoticeKind.FACTORS_RESET: Said(
        _("We removed your passkeys and your authenticator app"),
        _("We were told that you lost them. If you did not tell us that, please call us at once."), None, None,
        *_FACTOR,
    ),
    NoticeKind.PASSKEY_ADDED: Said(
        _("A passkey was added"),
        _("Whoever has its device and can unlock it can sign in. If it was not you, remove it."), None, None, *_FACTOR,
    ),
    NoticeKind.PASSKEY_REMOVED: Said(
        _("A passkey was removed"), _("It no longer lets anybody in. If it was not you, please call us."), None, None,
        *_FACTOR,
    ),
    NoticeKind.PASSKEY_COPIED: Said(
        _("A passkey was refused"),
        _("It may be a copy of yours, so we did not let it in. Remove that passkey and add a new one."), None, None,
        *_FACTOR,
    ),
    NoticeKind.EMAIL_IN_USE: Said(
        _("Somebody entered your e-mail address"),
        _("They wanted it for another account. It belongs to yours, so nothing was changed."),
    ),
    NoticeKind.EMAIL_CHANGE_UNDONE: Said(
        _("The change of your e-mail address was stopped"), _("Your address is as it was."), None, None, *_SETTINGS,
    ),
    NoticeKind.EMAIL_CHANGED: Said(
        _("Your e-mail address was changed"), _("Codes and messages go to the new address from now on."), None, None,
        *_SETTINGS,
    ),
    NoticeKind.APP_CONNECTED: Said(
        _("%(app)s was connected"), _("%(who)s connected this app. If this is not what you want, revoke it."),
        _("You connected this app. If it was not you, revoke it and create a new password."), None, *_CONSOLE,
    ),
    NoticeKind.APP_CHANGED: Said(
        _("%(app)s was agreed to again"), _("%(who)s answered what this app asked. What it may see may have changed."),
        _("You answered what this app asked. What it may see may have changed."), None, *_CONSOLE,
    ),
    NoticeKind.APP_READ: Said(
        _("%(app)s has read information for the first time"),
        _("What an app has read, day by day, is shown beside it in App Management Console."), None, None, *_CONSOLE,
    ),
    NoticeKind.APP_PAUSED: Said(
        _("%(app)s was paused"), _("%(who)s paused this app. It sees nothing until it is resumed."),
        _("You paused this app. It sees nothing until it is resumed."), None, *_CONSOLE,
    ),
    NoticeKind.APP_RESUMED: Said(
        _("%(app)s was resumed"), _("%(who)s ended the pause. The app can see information again."),
        _("You ended the pause. The app can see information again."), None, *_CONSOLE,
    ),
    NoticeKind.APP_NARROWED: Said(
        _("%(app)s sees less"), _("%(who)s made this app see less, or for a shorter time."),
        _("You made this app see less, or for a shorter time."), None, *_CONSOLE,
    ),
    NoticeKind.APP_PAUSE_LIFTED: Said(
        _("The plan lifted the pause of %(app)s"),
        _(
            "The app still sees nothing. %(who)s, who had connected it, may let it in again. Two people at the "
            "plan decided this, because they were told that the member cannot use the account. If that is wrong, "
            "please call us."
        ), None, None, *_CONSOLE,
    ),
    NoticeKind.APP_ENDED: Said(
        _("The access of %(app)s has ended"),
        _("%(who)s ended it. What the app has received already stays with it."),
        _("You ended it. What the app has received already stays with it."),
        _("The plan ended it. What the app has received already stays with it."), *_CONSOLE,
    ),
    NoticeKind.APP_ENDS_SOON: Said(
        _("The access of %(app)s ends within 30 days"),
        _(
            "Then the time that was chosen will be over. To go on, connect it again from the app. Otherwise you need "
            "not do anything."
        ), None, None, *_CONSOLE,
    ),
    NoticeKind.APP_OVER: Said(
        _("The access of %(app)s is over"),
        _("The time that was chosen has run out. To go on, connect it again from the app."), None, None, *_CONSOLE,
    ),
    NoticeKind.APP_DISCONNECTED: Said(
        _("%(app)s was disconnected for safety"),
        _(
            "A key of the app was used a second time. Either the app made a mistake, or somebody copied the key. "
            "The app can no longer read anything from that device. To use it there again, it must be connected again."
        ), None, None, *_CONSOLE,
    ),
    NoticeKind.APP_STOPPED: Said(
        _("We stopped %(app)s for now"),
        _("It cannot read anything until we let it in again. You do not have to do anything."), None, None, *_CONSOLE,
    ),
    NoticeKind.APP_BACK: Said(
        _("We let %(app)s in again"), _("It can read what had been agreed to."), None, None, *_CONSOLE
    ),
    NoticeKind.APP_CLOSED: Said(
        _("%(app)s was closed"),
        _("The connection to it has ended. What it has received stays with it; its policy says how it is deleted."),
        None, None, *_CONSOLE,
    ),
    NoticeKind.LINK_BEGUN: Said(
        _("Somebody may act for you"),
        _("%(who)s is your personal representative. See what they may do, and why, under People who act for me."),
        _("You may act for %(who)s. See what you may do, and from when, under People I act for."),
    ),
    NoticeKind.LINK_CHANGED: Said(
        _("The person who acts for you now sees less"),
        _(
            "What %(who)s may see as your personal representative was limited. Apps that they connected for you must "
            "ask again."
        ),
        _("What you may see about %(who)s was limited. Apps that you connected for them must ask again."),
    ),
    NoticeKind.LINK_ENDED: Said(
        _("Somebody no longer acts for you"),
        _(
            "%(who)s is no longer your personal representative. Apps that they had connected for you can no longer "
            "read anything."
        ),
        _("You no longer act for %(who)s. Apps that you had connected for them can no longer read anything."),
    ),
    NoticeKind.REQUEST_NEWS: Said(
        _("There is news about your request"),
        _("You asked us to let somebody act for a member. Read more under People I act for."), None, None,
        "acting_for.index", _("Open People I act for"),
    ),
    NoticeKind.STAFF_LOOKED: Said(
        _("Somebody at the plan opened your page"), _("%(who)s of member services opened it, and gave a reason."), None,
        None, "looks.index", _("See who, when and why"),
    ),
}  # fmt: skip
_HEADLINES_OF_WHO_ACTS: dict[NoticeKind, LazyString] = {
    NoticeKind.LINK_BEGUN: _("You may act for somebody"),
    NoticeKind.LINK_CHANGED: _("You see less about somebody you act for"),
    NoticeKind.LINK_ENDED: _("You no longer act for somebody"),
}
_LINKS = frozenset(_HEADLINES_OF_WHO_ACTS)
TOPICS: dict[Topic, LazyString] = {
    Topic.ACCOUNT: _("Your account: password, new device, authenticator app"),
    Topic.PEOPLE: _("Who acts for whom"),
    Topic.APPS: _(
        "Apps: when one is connected, reads for the first time, is changed or ended by somebody else, or is about to "
        "end"
    ),
    Topic.LOOKS: _("When somebody at the plan opened my page"),
}


def message_of(notice: Notice, *, app: str, whose: Whose) -> Message:
    """A notice in the words of the page's language; `app` is the name of the app that it is about."""
    said = SAID[notice.kind]
    words = {"app": app, "who": notice.who}
    way, way_name = _way(notice, said, whose)
    return Message(
        id=notice.id, at=notice.at, headline=_filled(_headline(notice, said), words),
        sentence=_filled(_sentence(notice, said), words), about=_about(whose), is_new=notice.read_at is None, way=way,
        way_name=way_name, is_closed=whose.is_closed and bool(said.way),
    )  # fmt: skip


def _about(whose: Whose) -> str:
    if whose.is_own:
        return ""
    return str(gettext("About %(name)s", name=whose.name) if whose.name else gettext("About somebody you acted for"))


def _headline(notice: Notice, said: Said) -> LazyString:
    return _HEADLINES_OF_WHO_ACTS[notice.kind] if notice.kind in _LINKS and notice.by_owner else said.headline


def _sentence(notice: Notice, said: Said) -> LazyString:
    if notice.by_owner and said.by_owner is not None:
        return said.by_owner
    return said.by_nobody if not notice.who and said.by_nobody is not None else said.sentence


def _way(notice: Notice, said: Said, whose: Whose) -> tuple[str, str]:
    if notice.kind in _LINKS:
        if notice.by_owner:
            return url_for("acting_for.index"), gettext("Open People I act for")
        return url_for("people.index"), gettext("Open People who act for me")
    if not said.way or whose.is_closed:
        return "", ""
    # A page of one member's must not be taken for another's: whoever acts for another one says first that they change.
    page = url_for(said.way)
    return (
        url_for("select_member.choose", next=page, selected=whose.select) if whose.select else page, str(said.way_name)
    )  # fmt: skip


def _filled(text: LazyString, words: dict[str, str]) -> str:
    sentence = str(text)
    return sentence % words if "%(" in sentence else sentence
