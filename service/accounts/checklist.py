"""The rule for passwords as the page shows it: each part, ticked when it is met."""

from dataclasses import dataclass

from flask_babel import LazyString

from service.accounts import passwords
from service.accounts.passwords import Part, Rule, Verdict
from service.accounts.wording import PARTS
from service.web import settings

_GROUPS = (Part.UPPERCASE, Part.LOWERCASE, Part.NUMBER, Part.SPECIAL)


@dataclass(frozen=True)
class Line:
    """One line of the list; `inner` lines are the four groups."""

    part: Part
    text: LazyString
    met: bool
    inner: bool


@dataclass(frozen=True)
class Checklist:
    """The list for one password; without a verdict nothing was typed yet and nothing is ticked."""

    required: frozenset[Part]
    verdict: Verdict | None

    @classmethod
    def of(cls, password: str, rule: Rule) -> "Checklist":
        """The list for what was typed, if anything."""
        return cls(rule.required, passwords.judge(password, rule) if password else None)

    @property
    def judged(self) -> bool:
        """Whether there was a password to judge."""
        return self.verdict is not None

    @property
    def lines(self) -> list[Line]:
        """Every part in the order of the rule."""
        order = (Part.LENGTH, Part.GROUPS, *_GROUPS, Part.NOT_COMMON, Part.NOT_OWN_NAME)
        shown = [part for part in order if part in _GROUPS or part in self.required]
        return [Line(part, PARTS[part], self._met(part), part in _GROUPS) for part in shown]

    def _met(self, part: Part) -> bool:
        return self.verdict is not None and part in self.verdict.met


def sentences(verdict: Verdict) -> list[LazyString]:
    """The required parts that are missing, for the field's error."""
    return [PARTS[part] for part in verdict.missing]


def common_rule() -> Rule:
    """The rule for everybody: without the plan's name and its first word, which anyone reads on the page."""
    name = settings().plan.name
    return Rule((name, name.split()[0]), settings().refuse_common_passwords)
