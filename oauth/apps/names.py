"""Names of apps: no name may look like another's, like the plan's, or play tricks with the direction of text."""

import unicodedata

# Letters of other scripts, and digits, that a reader takes for a Latin letter (the common part of UTS 39 confusables).
_LOOKALIKES = str.maketrans(
    "авсԁеһіјкӏмнорԛѕтухԝѵгαβεηικμνορτυχγωօսոհցıɩɑɡ01|5347@8$i",  # noqa: RUF001 - they are the subject
    "abcdehljklmhopqstyxwvrabenlkuvoptuxywounhgllagollseatabsl",
)


class NameRefused(Exception):
    """This name may not be registered. `reason` is a sentence for the developer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def require_plain(name: str) -> None:
    """Raise NameRefused for an empty or long name, or one with invisible or direction-changing characters (case 73)."""
    if not 2 <= len(name) <= 100 or name != name.strip():
        raise NameRefused("The name has 2 to 100 characters and does not begin or end with a space.")
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for character in name):
        raise NameRefused("The name holds a character that is invisible or changes the direction of text.")
    if not skeleton(name):
        raise NameRefused("The name has no letters.")


def skeleton(name: str) -> str:
    """What a hasty reader sees: two names with one skeleton are taken for each other."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    letters = "".join(character for character in folded if not unicodedata.combining(character))
    return "".join(filter(str.isalnum, letters.translate(_LOOKALIKES))).replace("rn", "m").replace("vv", "w")[:400]
