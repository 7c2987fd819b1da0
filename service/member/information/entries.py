"""Records as a person reads them: a title, a day, a state and some facts, for each type of the plain lists."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from flask_babel import gettext

from service.member.information import record_words as words
from service.member.information.elements import (
    Names,
    Node,
    as_node,
    code_of,
    day_of,
    nodes,
    text_of,
    texts_of,
    told_day,
    told_period,
    told_quantity,
)

_MISTAKES = frozenset({"entered-in-error"})


@dataclass(frozen=True)
class Entry:
    """One record. `when` is in words as exactly as the record says it; `day` is for the order alone."""

    title: str
    group: str
    """A key of `record_words.GROUPS`."""
    when: str = ""
    day: date | None = None
    state: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    text: str = ""
    type: str = ""
    id: str = ""
    has_file: bool = False


@dataclass
class _Draft:
    """An Entry in the making; empty facts are left out."""

    title: str
    facts: list[tuple[str, str]] = field(default_factory=list)

    def say(self, label: str, value: str) -> "_Draft":
        if value:
            self.facts.append((label, value))
        return self

    def made(self, group: str, when: str = "", *, day: date | None = None, state: str = "", text: str = "") -> Entry:
        return Entry(self.title or gettext("No name on file"), group, when, day, state, tuple(self.facts), text)


def read(resources: Iterable[Node], names: Names) -> list[Entry]:
    """The entries of some records in the order given, without those that were marked as entered by mistake."""
    found = []
    for one in resources:
        status = {str(one.get("status", "")), code_of(one.get("verificationStatus"))}
        if not status & _MISTAKES:
            made = _READERS[str(one["resourceType"])](one, names)
            found.append(replace(made, type=str(one["resourceType"]), id=str(one["id"])))
    return found


def grouped(found: Iterable[Entry]) -> list[tuple[str, list[Entry]]]:
    """The entries under their heads, in the order of the page."""
    by_group: dict[str, list[Entry]] = {}
    for one in found:
        by_group.setdefault(one.group, []).append(one)
    return [(str(head), by_group[key]) for key, head in words.GROUPS.items() if key in by_group]


def _coverage(one: Node, names: Names) -> Entry:
    payer = ", ".join(filter(None, map(names.of_reference, nodes(one.get("payor")))))
    made = _Draft(text_of(one.get("type")) or payer)
    made.say(gettext("Health plan"), payer)
    made.say(gettext("Member ID"), str(one.get("subscriberId") or ""))
    for part in nodes(one.get("class")):
        label = words.COVERAGE_CLASSES.get(code_of(part.get("type")))
        if label:
            made.say(str(label), str(part.get("name") or part.get("value") or ""))
    relationship = code_of(one.get("relationship"))
    made.say(gettext("Covered as"), words.told(words.RELATIONSHIPS, relationship))
    period = as_node(one.get("period"))
    group = "now" if one.get("status") == "active" and not words.is_past(day_of(period.get("end"))) else "past"
    return made.made(group, told_period(period), day=day_of(period))


def _encounter(one: Node, names: Names) -> Entry:
    kind = words.told(words.VISIT_CLASSES, code_of(one.get("class")))
    made = _Draft(texts_of(one.get("type")) or kind)
    who = dict.fromkeys(names.of_reference(part.get("individual")) for part in nodes(one.get("participant")))
    places = [names.of_reference(part.get("location")) for part in nodes(one.get("location"))]
    made.say(gettext("Kind of visit"), kind if kind != made.title else "")
    made.say(
        gettext("Where"),
        ", ".join(dict.fromkeys(filter(None, places))) or names.of_reference(one.get("serviceProvider")),
    )
    made.say(gettext("Who gave care"), ", ".join(filter(None, who)))
    made.say(gettext("Reason"), texts_of(one.get("reasonCode")))
    made.say(gettext("Afterwards"), text_of(as_node(one.get("hospitalization")).get("dischargeDisposition")))
    return made.made("all", _days_of(one.get("period")), day=day_of(one.get("period")), state=_unusual(one, "finished"))


def _condition(one: Node, names: Names) -> Entry:
    clinical = code_of(one.get("clinicalStatus"))
    made = _Draft(text_of(one.get("code")))
    made.say(
        gettext("Since"),
        told_day(one.get("onsetDateTime"), one.get("onsetPeriod")) or str(one.get("onsetString") or ""),
    )
    made.say(gettext("Until"), told_day(one.get("abatementDateTime"), one.get("abatementPeriod")))
    made.say(gettext("How serious"), text_of(one.get("severity")))
    made.say(gettext("Part of the body"), texts_of(one.get("bodySite")))
    made.say(gettext("Recorded on"), told_day(one.get("recordedDate")))
    made.say(gettext("By"), names.of_reference(one.get("recorder")) or names.of_reference(one.get("asserter")))
    group = "past" if clinical in {"resolved", "inactive", "remission"} else "now"
    return made.made(group, day=day_of(one.get("onsetDateTime"), one.get("recordedDate")), state=_state(clinical))


def _medication_request(one: Node, names: Names) -> Entry:
    made = _Draft(_medicine(one, names))
    made.say(gettext("How to take it"), _dosage(one.get("dosageInstruction")))
    made.say(gettext("What for"), texts_of(one.get("reasonCode")))
    made.say(gettext("Prescribed by"), names.of_reference(one.get("requester")))
    supply = as_node(one.get("dispenseRequest"))
    made.say(gettext("Amount"), told_quantity(supply.get("quantity")))
    repeats = supply.get("numberOfRepeatsAllowed")
    made.say(gettext("Refills allowed"), "" if repeats is None else str(repeats))
    status = str(one.get("status") or "")
    group = "now" if status in {"active", "on-hold"} else "past"
    return made.made(group, told_day(one.get("authoredOn")), day=day_of(one.get("authoredOn")), state=_state(status))


def _medication_dispense(one: Node, names: Names) -> Entry:
    made = _Draft(_medicine(one, names))
    made.say(gettext("How to take it"), _dosage(one.get("dosageInstruction")))
    made.say(gettext("Amount"), told_quantity(one.get("quantity")))
    made.say(gettext("For how long"), told_quantity(one.get("daysSupply")))
    made.say(gettext("Filled by"), _actors(one, names))
    when = (one.get("whenHandedOver"), one.get("whenPrepared"))
    return made.made("filled", told_day(*when), day=day_of(*when), state=_unusual(one, "completed"))


def _allergy(one: Node, names: Names) -> Entry:
    made = _Draft(text_of(one.get("code")))
    for reaction in nodes(one.get("reaction")):
        severity = words.told(words.SEVERITIES, str(reaction.get("severity") or ""))
        told = texts_of(reaction.get("manifestation"))
        made.say(gettext("Reaction"), f"{told} ({severity})" if told and severity else told)
    made.say(gettext("Danger"), words.told(words.CRITICALITIES, str(one.get("criticality") or "")))
    made.say(gettext("Since"), told_day(one.get("onsetDateTime")))
    made.say(gettext("Recorded on"), told_day(one.get("recordedDate")))
    made.say(gettext("By"), names.of_reference(one.get("recorder")))
    clinical, doubt = code_of(one.get("clinicalStatus")), code_of(one.get("verificationStatus"))
    group = "past" if clinical in {"resolved", "inactive"} or doubt == "refuted" else "now"
    state = _state(doubt if doubt in {"refuted", "unconfirmed"} else clinical)
    return made.made(group, day=day_of(one.get("recordedDate")), state=state)


def _immunization(one: Node, names: Names) -> Entry:
    made = _Draft(text_of(one.get("vaccineCode")))
    made.say(gettext("Where"), names.of_reference(one.get("location")))
    made.say(gettext("Given by"), _actors(one, names))
    made.say(gettext("Lot number"), str(one.get("lotNumber") or ""))
    made.say(gettext("Why not"), text_of(one.get("statusReason")))
    when = one.get("occurrenceDateTime")
    return made.made(
        "all",
        told_day(when) or str(one.get("occurrenceString") or ""),
        day=day_of(when),
        state=_unusual(one, "completed"),
    )


def _procedure(one: Node, names: Names) -> Entry:
    made = _Draft(text_of(one.get("code")))
    made.say(gettext("Who gave care"), _actors(one, names))
    made.say(gettext("Where"), names.of_reference(one.get("location")))
    made.say(gettext("Reason"), texts_of(one.get("reasonCode")))
    made.say(gettext("Part of the body"), texts_of(one.get("bodySite")))
    made.say(gettext("How it went"), text_of(one.get("outcome")))
    when = one.get("performedPeriod") or one.get("performedDateTime")
    told = _days_of(when) if isinstance(when, dict) else told_day(when)
    return made.made("done", told, day=day_of(when), state=_unusual(one, "completed"))


def _service_request(one: Node, names: Names) -> Entry:
    made = _Draft(text_of(one.get("code")))
    made.say(gettext("Ordered by"), names.of_reference(one.get("requester")))
    made.say(gettext("Reason"), texts_of(one.get("reasonCode")))
    made.say(gettext("Planned for"), told_day(one.get("occurrenceDateTime"), one.get("occurrencePeriod")))
    return made.made(
        "ordered",
        told_day(one.get("authoredOn")),
        day=day_of(one.get("authoredOn")),
        state=_state(str(one.get("status") or "")),
    )


def _report(one: Node, names: Names) -> Entry:
    made = _Draft(text_of(one.get("code")))
    made.say(gettext("Kind of report"), texts_of(one.get("category")))
    made.say(gettext("By"), ", ".join(filter(None, map(names.of_reference, nodes(one.get("performer"))))))
    made.say(gettext("In short"), str(one.get("conclusion") or "") or texts_of(one.get("conclusionCode")))
    when = (one.get("effectiveDateTime"), one.get("effectivePeriod"), one.get("issued"))
    entry = made.made(
        "reports", told_day(*when), day=day_of(*when), state=_unusual(one, "final", "amended", "corrected")
    )
    return replace(entry, has_file=file_of(one) is not None)


def _document(one: Node, names: Names) -> Entry:
    made = _Draft(str(one.get("description") or "") or text_of(one.get("type")))
    made.say(gettext("Written by"), ", ".join(filter(None, map(names.of_reference, nodes(one.get("author"))))))
    made.say(gettext("Kept by"), names.of_reference(one.get("custodian")))
    period = as_node(one.get("context")).get("period")
    entry = made.made(
        "documents",
        told_day(one.get("date"), period),
        day=day_of(one.get("date"), period),
        state=_unusual(one, "current"),
    )
    return replace(entry, has_file=file_of(one) is not None)


def _media(one: Node, names: Names) -> Entry:
    made = _Draft(text_of(one.get("type")) or gettext("Picture"))
    made.say(gettext("By"), names.of_reference(one.get("operator")))
    when = (one.get("createdDateTime"), one.get("createdPeriod"))
    return replace(made.made("documents", told_day(*when), day=day_of(*when)), has_file=file_of(one) is not None)


def _care_plan(one: Node, names: Names) -> Entry:
    made = _Draft(str(one.get("title") or "") or texts_of(one.get("category")) or gettext("Care plan"))
    steps = [as_node(part.get("detail")) for part in nodes(one.get("activity"))]
    told = [text_of(step.get("code")) or str(step.get("description") or "") for step in steps]
    made.say(gettext("What is planned"), ", ".join(filter(None, told)))
    made.say(gettext("In short"), str(one.get("description") or ""))
    return made.made(
        "plans",
        told_period(one.get("period")),
        day=day_of(one.get("period")),
        state=_state(str(one.get("status") or "")),
    )


def _goal(one: Node, names: Names) -> Entry:
    made = _Draft(text_of(one.get("description")))
    dues = [told_day(part.get("dueDate")) for part in nodes(one.get("target"))]
    made.say(gettext("Target date"), ", ".join(filter(None, dues)))
    made.say(gettext("Progress"), text_of(one.get("achievementStatus")))
    state = _state(str(one.get("lifecycleStatus") or ""))
    return made.made("goals", told_day(one.get("startDate")), day=day_of(one.get("startDate")), state=state)


def _care_team(one: Node, names: Names) -> Entry:
    made = _Draft(str(one.get("name") or "") or gettext("Care team"))
    for part in nodes(one.get("participant")):
        name = names.of_reference(part.get("member"))
        if name:
            made.say(texts_of(part.get("role")) or gettext("Member of the team"), name)
    return made.made(
        "teams", told_period(one.get("period")), day=day_of(one.get("period")), state=_unusual(one, "active")
    )


def _device(one: Node, names: Names) -> Entry:
    made = _Draft(text_of(one.get("type")))
    made.say(gettext("Maker"), str(one.get("manufacturer") or ""))
    made.say(gettext("Model"), str(one.get("modelNumber") or ""))
    made.say(gettext("Serial number"), str(one.get("serialNumber") or ""))
    made.say(gettext("Lot number"), str(one.get("lotNumber") or ""))
    made.say(gettext("Made on"), told_day(one.get("manufactureDate")))
    made.say(gettext("Good until"), told_day(one.get("expirationDate")))
    return made.made("all", day=day_of(one.get("manufactureDate")), state=_unusual(one, "active"))


def _questionnaire(one: Node, names: Names) -> Entry:
    made = _Draft(str(as_node(one.get("_questionnaire")).get("display") or "") or gettext("Health questionnaire"))
    for question, answer in _answers(one):
        made.say(question, answer)
    return made.made(
        "all", told_day(one.get("authored")), day=day_of(one.get("authored")), state=_unusual(one, "completed")
    )


def _answers(node: Node) -> Iterator[tuple[str, str]]:
    for item in nodes(node.get("item")):
        told = filter(None, map(_answer, nodes(item.get("answer"))))
        yield str(item.get("text") or item.get("linkId") or ""), ", ".join(told)
        yield from _answers(item)


def _answer(answer: Node) -> str:
    for name, value in answer.items():
        if name == "valueBoolean":
            return str(gettext("Yes") if value else gettext("No"))
        if name == "valueCoding":
            return str(as_node(value).get("display") or as_node(value).get("code") or "")
        if name == "valueQuantity":
            return told_quantity(value)
        if name in {"valueDate", "valueDateTime"}:
            return told_day(value)
        if name.startswith("value") and isinstance(value, (str, int, float)):
            return str(value)
    return ""


def file_of(one: Node) -> Node | None:
    """The attachment of a report, document or picture that the plan holds itself."""
    parts = [one.get("content"), *(part.get("attachment") for part in nodes(one.get("content")))]
    parts += list(nodes(one.get("presentedForm")))
    return next((part for part in map(as_node, parts) if isinstance(part.get("data"), str) and part["data"]), None)


def _medicine(one: Node, names: Names) -> str:
    return text_of(one.get("medicationCodeableConcept")) or names.of_reference(one.get("medicationReference"))


def _actors(one: Node, names: Names) -> str:
    return ", ".join(filter(None, (names.of_reference(part.get("actor")) for part in nodes(one.get("performer")))))


def _dosage(dosages: Any) -> str:
    return "; ".join(
        filter(None, (str(one.get("text") or one.get("patientInstruction") or "") for one in nodes(dosages)))
    )


def _days_of(period: Any) -> str:
    """The first and the last day of a visit, one day once."""
    node = as_node(period)
    first, last = told_day(node.get("start")), told_day(node.get("end"))
    if first and last and first != last:
        return str(gettext("%(first)s to %(last)s", first=first, last=last))
    return first or last


def _state(code: str) -> str:
    return words.told(words.STATES, code)


def _unusual(one: Node, *usual: str) -> str:
    """The status in words, where it is not what everybody expects of a record."""
    status = str(one.get("status") or "")
    return "" if status in usual else _state(status)


_READERS: Mapping[str, Callable[[Node, Names], Entry]] = {
    "AllergyIntolerance": _allergy, "CarePlan": _care_plan, "CareTeam": _care_team, "Condition": _condition,
    "Coverage": _coverage, "Device": _device, "DiagnosticReport": _report, "DocumentReference": _document,
    "Encounter": _encounter, "Goal": _goal, "Immunization": _immunization, "Media": _media,
    "MedicationDispense": _medication_dispense, "MedicationRequest": _medication_request, "Procedure": _procedure,
    "QuestionnaireResponse": _questionnaire, "ServiceRequest": _service_request,
}  # fmt: skip
