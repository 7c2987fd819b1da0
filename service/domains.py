"""Domains of e-mail addresses: all ways to write one are one, by IDNA 2008 (RFC 5891, 5892) and the mapping of UTS 46.

Written in Unicode they are compared and shown, in ASCII they go to mail servers. Decision 136 says why by hand. Which
names are nobody's, and which this machine's, is told here too.
"""

import unicodedata
from ipaddress import ip_address

_LONGEST, _LONGEST_LABEL = 253, 63
_PREFIX = "xn--"
_OWN_LETTERS = {"ß": "ß", "ẞ": "ß", "ς": "ς"}
"""Case folding takes them for others; since IDNA 2008 they are domains of their own."""
_EXAMPLES = ("test", "example", "invalid", "localhost", "example.com", "example.net", "example.org")
"""Names that are set aside (RFC 2606): nobody has them, nor any name below them."""
_UNSEEN = (
    range(0x34F, 0x350), range(0x115F, 0x1161), range(0x17B4, 0x17B6), range(0x180B, 0x1810), range(0x3164, 0x3165),
    range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0),
)  # fmt: skip
"""Letters and marks that show nothing, beside the category Cf (Default_Ignorable_Code_Point)."""


def folded(domain: str) -> str:
    """The form in which domains are compared; what is no domain comes back in small letters."""
    return ".".join(_decoded(label) for label in _mapped(domain).split("."))


def for_mail(domain: str) -> str:
    """The form in which a mail server takes it; what is no domain comes back as it is."""
    labels = [_encoded(label) for label in folded(domain).split(".")]
    return ".".join(labels) if is_domain(domain) else domain


def is_domain(domain: str) -> bool:
    """Whether mail can go there: labels of letters, digits and hyphens, of any script, and at least two of them."""
    labels = folded(domain).split(".")
    wire = [_encoded(label) for label in labels]
    return (
        len(labels) > 1
        and len(".".join(wire)) <= _LONGEST
        and all(map(_is_label, labels))
        and all(0 < len(label) <= _LONGEST_LABEL for label in wire)
    )


def is_example(domain: str) -> bool:
    """Whether it is a name of examples and tests, at which nobody is (RFC 2606)."""
    name = folded(domain).rstrip(".")
    return any(name == one or name.endswith(f".{one}") for one in _EXAMPLES)


def is_this_machine(host: str) -> bool:
    """Whether what is sent to this host or address stays on the machine."""
    host = host.lower().removesuffix(".")
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _mapped(text: str) -> str:
    mapped = "".join(map(_mapped_letter, unicodedata.normalize("NFC", text)))
    # The ideographic full stop parts labels too, and is no compatibility form of ours.
    return unicodedata.normalize("NFKC", mapped).replace("。", ".")


def _mapped_letter(letter: str) -> str:
    return _OWN_LETTERS.get(letter) or unicodedata.normalize("NFKC", letter).casefold()


def _decoded(label: str) -> str:
    """The label in Unicode; as it is, where it is in no code, or says another label than its code."""
    if not label.startswith(_PREFIX) or not label.isascii() or len(label) > _LONGEST_LABEL:
        return label
    try:
        decoded = label.removeprefix(_PREFIX).encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return label
    is_read = not decoded.isascii() and _mapped(decoded) == decoded and _encoded(decoded) == label
    return decoded if is_read and _is_label(decoded) else label


def _encoded(label: str) -> str:
    if label.isascii() or any("\ud800" <= letter <= "\udfff" for letter in label):
        return label
    return _PREFIX + label.encode("punycode").decode("ascii")


def _is_label(label: str) -> bool:
    # In third and fourth place hyphens are the sign of a code, and this one could not be read (RFC 5891 §4.2.3.1).
    if not label or label[0] == "-" or label[-1] == "-" or label[2:4] == "--":
        return False
    return not unicodedata.category(label[0]).startswith("M") and all(map(_is_letter, label))


def _is_letter(letter: str) -> bool:
    if letter.isascii():
        return letter.isalnum() or letter == "-"
    shown = unicodedata.category(letter) in {"Ll", "Lo", "Lm", "Mn", "Mc", "Nd"} or letter in "·・"
    return shown and not any(ord(letter) in unseen for unseen in _UNSEEN)
