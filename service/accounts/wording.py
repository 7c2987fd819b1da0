"""Sentences that several pages of accounts show, marked for the catalogue in one place."""

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from service.accounts import usernames
from service.accounts.passwords import Part
from service.web import PageError

SIGN_IN_REFUSED = _(
    "The username or password is not right, or there were too many tries. "
    "Check both and try again, or wait a few minutes. If it still fails, use “Forgot password”."
)
CODE_REFUSED = _(
    "That code did not work. It may be mistyped, older than 5 minutes, used already, or tried too often. "
    "Check the newest e-mail, or send a new code."
)
FACTOR_REFUSED = _(
    "That code did not work. It may be mistyped, too old, used already, or there were too many tries. "
    "Wait for the next code of your app, or use a recovery code. After 5 wrong codes, wait a few minutes."
)
FIRST_CODE_REFUSED = _(
    "That code did not fit the key on this page. Check that the time of your phone is set automatically, "
    "wait for the next code, and enter it."
)
OFFER_OVER = _(
    "The key on the page was too old, so here is a new one. Remove the older one from your app and start again."
)
PASSKEY_REFUSED = _(
    "That passkey did not work. It may have been removed from your account, or belong to another one. "
    "Try another passkey, or go on without one."
)
PASSKEY_OVER = _("That took longer than 5 minutes, so for your safety please try once more.")
PASSKEY_NOT_MADE = _(
    "Your device did not make a passkey that we can use. It must check your fingerprint, face or PIN. "
    "Try once more, or use an authenticator app."
)
PASSKEY_KNOWN = _("This passkey is in your account already.")
PASSKEYS_FULL = _("You have 10 passkeys, which is the most an account can have. Remove one that you no longer use.")
PASSKEY_NAME = _("Give it a name of at most 60 letters, for instance My phone.")
FILL_IN = _("Please fill this in.")
NOT_AN_ADDRESS = _("Please enter an e-mail address like name@example.org.")
SAME_ADDRESS = _("That is your e-mail address already. Enter another one.")
NOT_THE_SAME = _("The two passwords are not the same. Type the same one twice.")

PARTS: dict[Part, LazyString] = {
    Part.LENGTH: _("8 to 64 characters"),
    Part.GROUPS: _("At least 3 of these 4 groups:"),
    Part.UPPERCASE: _("Uppercase letter"),
    Part.LOWERCASE: _("Lowercase letter"),
    Part.NUMBER: _("Number"),
    Part.SPECIAL: _("Special character (! @ # $ %)"),
    Part.NOT_COMMON: _("Not on our list of common or leaked passwords, because those are tried first"),
    Part.NOT_OWN_NAME: _("Does not hold your name, username, e-mail or our name, because those are easy to guess"),
}

USERNAMES: dict[type[usernames.UnusableUsername], LazyString] = {
    usernames.WrongLength: _("A username has 4 to 64 characters."),
    usernames.WrongCharacter: _("Use letters, numbers and . _ - @ + only, with a letter or number at both ends."),
    usernames.MixedScripts: _("Use the letters of one alphabet only."),
    usernames.UsernameTaken: _("That username is taken or looks like one that is taken. Please choose another."),
}


def masked(address: str) -> str:
    """An e-mail address that its owner knows again, and nobody else learns: the first letter and the domain."""
    name, _at, domain = address.rpartition("@")
    return f"{name[:1]}•••@{domain}"


class FormTooLong(PageError):
    """What was sent is longer than any honest form: refused before anything reads it."""

    status = 400
    title = _("That was too long")
    sentence = _("The form held more than we can read. Go back and enter less.")


class VeryBusy(PageError):
    """All places for checking passwords are taken."""

    status = 503
    title = _("We are very busy right now")
    sentence = _("Nothing was lost. Please try again in a few seconds.")
