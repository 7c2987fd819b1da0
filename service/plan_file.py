"""The health plan that runs an installation, as its TOML file tells: every name and number that people read."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError

from service.domains import is_example

SANDBOX_PLAN = Path(__file__).with_name("sandbox") / "meridian.toml"
LANGUAGES_NEEDED = 16
"""English, and the 15 languages most spoken by people with limited English where the plan works (45 CFR 92.11)."""
_HOSTS = re.compile(r"(?:@|://)([^\s/:?#@]+)")


class OpenDays(StrEnum):
    """On which days somebody answers a phone line."""

    EVERY_DAY = "every_day"
    WEEKDAYS = "weekdays"
    MONDAY_TO_SATURDAY = "monday_to_saturday"


@dataclass(frozen=True)
class PhoneLine:
    """A line of business and the number its members call; hours and language where the plan tells them.

    Hours are days with the times, of the plan's time zone, from and to which somebody answers: so that a page can say
    them in its own language. Days without times are the whole day.
    """

    line_of_business: str
    number: str
    days: OpenDays | None = None
    opens: time | None = None
    closes: time | None = None
    language: str = ""
    """The code of the language that is spoken there, such as `es`; empty where the plan does not say."""

    @classmethod
    def read(cls, raw: Mapping[str, str]) -> "PhoneLine":
        """A line as the plan's file and its editions give it: times as 08:00."""
        opens, closes = raw.get("opens"), raw.get("closes")
        return cls(
            raw["line_of_business"], raw["number"], OpenDays(raw["days"]) if raw.get("days") else None,
            time.fromisoformat(opens) if opens else None, time.fromisoformat(closes) if closes else None,
            raw.get("language", ""),
        )  # fmt: skip


@dataclass(frozen=True)
class LineOfBusiness:
    """A kind of coverage as the roster names it, and whether its members may register here."""

    name: str
    in_scope: bool


@dataclass(frozen=True)
class CannedReply:
    """An answer that plan staff send often. `{name}` stands for the reader's given name, `{staff}` for the writer's."""

    title: str
    text: str


@dataclass(frozen=True)
class TermsText:
    """One version of a document that people of the portal accept: its key, title, version and words."""

    document: str
    title: str
    version: str
    text: str


@dataclass(frozen=True)
class ElectronicService:
    """Something offices can do electronically, and how to get it."""

    title: str
    text: str


@dataclass(frozen=True)
class ProviderServices:
    """What the plan tells provider offices: the `provider` table of its file, every line of it optional."""

    proof_days: int = 180
    """How old a payment may be that proves who registers, in days."""
    phone: str = ""
    hours: str = ""
    email: str = ""
    address: str = ""
    electronic_services: tuple[ElectronicService, ...] = ()
    join_network_url: str = ""
    contracting_days: int = 60
    """In how many days a contract is generally completed."""
    contracting_phone: str = ""
    contracting_email: str = ""
    site_survey_kinds: tuple[str, ...] = ()
    """Kinds of facility that the plan visits before it contracts with them."""
    credentialing_days: int = 90
    """How long credentialing may take."""
    credentialing_email: str = ""
    credentialing_fax: str = ""
    credentialing_application: str = ""
    credentialed_kinds: tuple[str, ...] = ()
    not_credentialed_kinds: tuple[str, ...] = ()
    change_form: str = ""
    """The form with which other payers are told of a change of practitioner."""
    dental_email: str = ""
    dental_fax: str = ""
    browsers: tuple[str, ...] = ("Chrome", "Safari", "Edge", "Firefox")

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> "ProviderServices":
        """The table as the plan's file gives it."""
        services = tuple(ElectronicService(**one) for one in raw.get("electronic_services", ()))
        lists = {name: tuple(value) for name, value in raw.items() if isinstance(value, list)}
        return cls(**{**raw, **lists, "electronic_services": services})


@dataclass(frozen=True)
class Brand:
    """How apps show the plan to people who look for it: the `brand` table of its file, every line of it optional."""

    updated: date = date(2026, 1, 1)
    """The day on which any of this, or the plan's name or website, changed last."""
    aliases: tuple[str, ...] = ()
    logo_url: str = ""
    logo_license_url: str = ""
    portal_name: str = ""
    portal_description: str = ""
    developer_page: str = ""
    """Where app developers read how to connect; the plan's website when empty."""
    address_lines: tuple[str, ...] = ()
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = "US"

    @property
    def postal_address(self) -> str:
        """Where papers are mailed to, in one line; empty where the file does not say it."""
        place = f"{self.state} {self.postal_code}".strip()
        return ", ".join(filter(None, (*self.address_lines, self.city, place))) if self.address_lines else ""

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> "Brand":
        """The table as the plan's file gives it."""
        lists = {name: tuple(value) for name, value in raw.items() if isinstance(value, list)}
        return cls(**{**raw, **lists})


@dataclass(frozen=True)
class LanguageNotice:
    """That help with language, and auxiliary aids, cost nothing (45 CFR 92.11): in one language, with whom to call.

    `language` is a BCP 47 tag such as `zh-Hans`; `name` is what its speakers call it; `direction` is `ltr` or `rtl`.
    """

    language: str
    name: str
    direction: str
    text: str
    phone: str

    @classmethod
    def read(cls, *, language: str, text: str, phone: str, name: str = "") -> "LanguageNotice":
        """A notice as the plan's file gives it; raises ValueError for a tag that is none, or that needs a name."""
        locale = _find_locale(language)
        if not (text.strip() and phone.strip()):
            raise ValueError(f"[[language_assistance]] of {language} needs a text and a phone number")
        name = name.strip() or (locale.get_display_name(locale) if locale else None) or ""
        if not name:
            raise ValueError(f"[[language_assistance]] of {language} needs a name: what its speakers call the language")
        direction = "rtl" if _RIGHT_TO_LEFT & set(language.split("-")) else locale.text_direction if locale else "ltr"
        return cls(language, name[0].upper() + name[1:], direction, " ".join(text.split()), phone.strip())

    @property
    def spoken(self) -> str:
        """The language without script and region: Chinese is one, however it is written."""
        return self.language.partition("-")[0].lower()


_RIGHT_TO_LEFT = frozenset({"Arab", "Hebr", "Syrc", "Thaa", "Nkoo", "Adlm", "Rohg"})
"""Scripts, for languages that Babel does not know."""


def _find_locale(language: str) -> Locale | None:
    try:
        return Locale.parse(language, sep="-")
    except UnknownLocaleError:
        return None
    except ValueError:
        raise ValueError(f"{language!r} in [[language_assistance]] is no language tag such as es, zh-Hans") from None


@dataclass(frozen=True)
class TextReview:
    """That a qualified translator has reviewed one version of a text on which rights depend, in one language."""

    text: str
    version: str
    language: str
    reviewed_by: str
    reviewed_on: date


@dataclass(frozen=True)
class Plan:
    """The health plan that runs this installation: every name and number a member reads comes from here."""

    name: str
    payer_id: str
    timezone: ZoneInfo
    phone_lines: tuple[PhoneLine, ...]
    tty: str
    website: str
    privacy_policy_version: str
    privacy_policy_url: str
    lines_of_business: tuple[LineOfBusiness, ...] = ()
    terms: tuple[TermsText, ...] = ()
    """What people of the provider portal accept: the documents of `service.plan.registering.terms`."""
    provider: ProviderServices = ProviderServices()
    brand: Brand = Brand()
    recertify_after_days: int = 180
    """After how many days a delegate says anew that a person still needs their login of the provider portal."""
    recertify_grace_days: int = 14
    """How many days later the login loses its functions when nobody did."""
    sharing_new_devices_a_week: int = 5
    """More new devices than this in a week are a sign that several people share a login of the portal."""
    mailbox_address: str = ""
    """A shared address that is told, without content, of every message from a provider's office; none if empty."""
    canned_replies: tuple[CannedReply, ...] = ()
    reviews: tuple[TextReview, ...] = ()
    """Which translations of texts on which rights depend were reviewed (`consent.legal_texts`)."""
    is_invented: bool = False
    """Whether it is what the sandbox's own file says, or a copy of it."""
    language_assistance: tuple[LanguageNotice, ...] = ()
    """The notice of language assistance and auxiliary aids, in the order of the page; a language once."""
    written_at: datetime | None = None
    """When the file or one of its texts was written last; None of a plan that was not read from files."""

    @property
    def out_of_scope_lines(self) -> tuple[str, ...]:
        """Lines of business whose members do not register here."""
        return tuple(line.name for line in self.lines_of_business if not line.in_scope)

    def example_addresses(self) -> list[str]:
        """Which of its addresses lead to names that are set aside for examples: nobody reads mail or pages there."""
        told = (value for held in (self, self.brand, self.provider) for value in vars(held).values())
        return [one for one in told if isinstance(one, str) and any(map(is_example, _HOSTS.findall(one)))]

    @classmethod
    def read(cls, path: Path | None) -> "Plan":
        """The plan described by a TOML file; the sandbox plan (Meridian Health Plan) when none is given."""
        path = path or SANDBOX_PLAN
        raw: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        is_invented = path.read_bytes() == SANDBOX_PLAN.read_bytes()
        lines = tuple(PhoneLine.read(line) for line in raw.pop("phone_lines"))
        files = [path, *(path.parent / given["file"] for given in raw.get("terms", ()))]
        return cls(
            is_invented=is_invented,
            written_at=datetime.fromtimestamp(max(file.stat().st_mtime for file in files), UTC),
            timezone=ZoneInfo(raw.pop("timezone")),
            phone_lines=lines,
            lines_of_business=_lines_of_business(lines, raw.pop("out_of_scope_lines", ())),
            reviews=tuple(TextReview(**given) for given in raw.pop("reviews", ())),
            terms=tuple(_terms(path.parent, **given) for given in raw.pop("terms", ())),
            provider=ProviderServices.read(raw.pop("provider", {})),
            brand=Brand.read(raw.pop("brand", {})),
            language_assistance=_notices(raw.pop("language_assistance", ())),
            canned_replies=tuple(CannedReply(each["title"], each["text"]) for each in raw.pop("canned_replies", ())),
            **raw,
        )


def _lines_of_business(phones: tuple[PhoneLine, ...], out_of_scope: list[str]) -> tuple[LineOfBusiness, ...]:
    # Whoever has a phone line is served, unless the file says otherwise; once each, in the file's order.
    names = dict.fromkeys([*(line.line_of_business for line in phones), *out_of_scope])
    return tuple(LineOfBusiness(name, name not in out_of_scope) for name in names)


def _notices(given: Iterable[Mapping[str, str]]) -> tuple[LanguageNotice, ...]:
    notices = tuple(map(_notice, given))
    tags = [one.language.lower() for one in notices]
    if twice := {tag for tag in tags if tags.count(tag) > 1}:
        raise ValueError(f"[[language_assistance]] is there twice for {', '.join(sorted(twice))}")
    return notices


def _notice(given: Mapping[str, str]) -> LanguageNotice:
    wanted, may_be = {"language", "text", "phone"}, {"name"}
    which = f"[[language_assistance]] of {given.get('language', 'no language')}"
    if lacking := wanted - set(given):
        raise ValueError(f"{which} lacks {', '.join(sorted(lacking))}")
    if odd := set(given) - wanted - may_be:
        raise ValueError(f"{which} has {', '.join(sorted(odd))}, which nothing reads")
    return LanguageNotice.read(**given)


def _terms(folder: Path, *, document: str, title: str, version: str, file: str) -> TermsText:
    # The file's place is told from the plan file, so that both move together.
    return TermsText(document, title, version, (folder / file).read_text(encoding="utf-8").strip())
