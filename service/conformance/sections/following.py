"""From one record to the next (conformance C3, D): reads and versions, `_include`, `_revinclude`, operations."""

from collections.abc import Callable, Iterable
from typing import Any

from service.conformance.guides import stated
from service.conformance.guides.stated import Stated
from service.conformance.records import member
from service.conformance.records.elements import references, values
from service.conformance.requirement import Check, Requirement
from service.conformance.trial import Trial
from service.conformance.verdicts import NotOffered, expect, expect_status

_WRITING = ("create", "update", "patch", "delete")
_MOST_READ = 25
Deed = Callable[[Trial, str], None]


def _interaction(one: Stated) -> Check:
    """The CapabilityStatement names it, and it works."""

    def check(trial: Trial) -> None:
        _require_listed(trial, one, "interaction", "code")
        _DEEDS[one.name](trial, one.resource_type)

    return check


def _search_type(trial: Trial, name: str) -> None:
    for one in member.of_type(trial, name)[:1]:
        told = member.found(trial, f"{name}?_id={one['id']}")
        expect([each["id"] for each in told] == [one["id"]], f"that one {name} by _id", len(told))


def _read(trial: Trial, name: str) -> None:
    for one in member.of_type(trial, name)[:_MOST_READ]:
        answer = member.read(trial, f"{name}/{one['id']}")
        expect_status(answer.status, {200}, f"a read of {name}")
        told = answer.json()
        expect((told.get("resourceType"), told.get("id")) == (name, one["id"]), f"the {name} of that id", "another")


def _vread(trial: Trial, name: str) -> None:
    for one in member.of_type(trial, name)[:1]:
        version = one.get("meta", {}).get("versionId")
        expect(version, "meta.versionId", "none")
        answer = member.read(trial, f"{name}/{one['id']}/_history/{version}")
        expect_status(answer.status, {200}, f"a read of a version of {name}")
        expect(answer.json() == one, "what the search found", "something else")


def _history(trial: Trial, name: str) -> None:
    for one in member.of_type(trial, name)[:1]:
        answer = member.read(trial, f"{name}/{one['id']}/_history")
        expect_status(answer.status, {200}, f"the history of a {name}")
        told = answer.json()
        expect(told.get("type") == "history", "a Bundle of type history", told.get("type"))
        ids = {entry["resource"]["id"] for entry in told.get("entry", ()) if "resource" in entry}
        expect(ids == {one["id"]}, "versions of that record alone", len(ids))


def _history_of_type(trial: Trial, name: str) -> None:
    answer = member.read(trial, f"{name}/_history")
    expect_status(answer.status, {200}, f"the history of {name}")
    expect(answer.json().get("type") == "history", "a Bundle of type history", answer.json().get("type"))


def _written(name: str) -> Check:
    """Writing is nothing that a run tries; a server that offers none is the usual one."""

    def check(trial: Trial) -> None:
        listed = {one.get("code") for one in member.described(trial, name).get("interaction", ())}
        if offered := listed & set(_WRITING):
            raise NotOffered(f"{', '.join(sorted(offered))} is offered, and a run writes nothing")
        raise NotOffered(f"the CapabilityStatement offers none of {', '.join(_WRITING)} for {name}")

    return check


def _include(one: Stated) -> Check:
    """What is referred to comes with the match, and nothing else does."""

    def check(trial: Trial) -> None:
        _require_include(trial, one, "searchInclude")
        target = [*one.name.split(":"), ""][2]
        for record in member.of_type(trial, one.resource_type):
            wanted = {each for each in _referred(record, one) if not target or each.startswith(f"{target}/")}
            if wanted:
                break
        else:
            raise NotOffered(f"no {one.resource_type} among the member's records refers to such a record")
        matches, included = _searched(trial, f"{one.resource_type}?_id={record['id']}&_include={one.name}")
        expect(len(matches) == 1, "one match", len(matches))
        told = {f"{each['resourceType']}/{each['id']}" for each in included}
        # What may not be read, or was never loaded, does not come along either.
        wanted = {each for each in wanted if each in told or member.read(trial, each).status == 200}
        expect(wanted <= told, f"all {len(wanted)} that it refers to", f"{len(wanted & told)}")
        expect(told <= set(references([*matches, *included])), "only what is referred to", "others")

    return check


def _referred(record: dict[str, Any], one: Stated) -> Iterable[str]:
    # All (`*`) are those that a parameter leads to; of other references an include knows nothing.
    searched = (each for each in stated.everything() if each.resource_type == one.resource_type)
    paths = one.paths or [path for each in searched if each.kind == "search-param" for path in each.paths]
    return [told for path in dict.fromkeys(paths) for value in values(record, path) for told in references(value)]


def _revinclude(one: Stated) -> Check:
    """What refers to the match comes with it."""

    def check(trial: Trial) -> None:
        _require_include(trial, one, "searchRevInclude")
        source, parameter, *_ = one.name.split(":")
        targets = {
            told: each
            for each in member.everything(trial).get(source, ())
            for value in values(each, parameter)
            for told in references(value)
        }
        known = {f"{one.resource_type}/{record['id']}" for record in member.of_type(trial, one.resource_type)}
        wanted = sorted(known & targets.keys())
        if not wanted:
            raise NotOffered(f"no {source} of the member's refers to a {one.resource_type}")
        place = wanted[0].partition("/")[2]
        matches, included = _searched(trial, f"{one.resource_type}?_id={place}&_revinclude={one.name}")
        expect(len(matches) == 1, "one match", len(matches))
        strangers = [each for each in included if wanted[0] not in references(each)]
        expect(
            included and not strangers, f"every {source} that refers to it", f"{len(included)}, {len(strangers)} others"
        )

    return check


def _searched(trial: Trial, query: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The matches and what was included, of the first page."""
    answer = member.read(trial, query)
    expect_status(answer.status, {200}, f"a search for {query.partition('?')[0]}")
    entries = answer.json().get("entry", ())
    parted: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    for entry in entries:
        parted[entry.get("search", {}).get("mode") == "include"].append(entry["resource"])
    return parted


def _operation(one: Stated) -> Check:
    def check(trial: Trial) -> None:
        _require_listed(trial, one, "operation", "name")
        if one.name != "docref":
            # Other payers' programs ask these of the plan; a member's app may not.
            answer = trial.wire.post(f"{trial.fhir_base}/{one.resource_type}/${one.name}", {},
                                     Authorization=f"Bearer {member.token(trial)}")  # fmt: skip
            expect(400 <= answer.status < 500, "a refusal of a member's app", answer.status)
            return
        known = member.of_type(trial, "DocumentReference")
        # Alone it asks for the newest summary of the record, which a plan need not keep.
        _documents(trial, "", {one["id"] for one in known})
        code = known[0]["type"]["coding"][0]
        wanted = {one["id"] for one in known if code in one["type"]["coding"]}
        newest = _documents(trial, f"&type={code['system']}|{code['code']}", wanted)
        expect(newest, "the newest document of a type", "none")
        every = _documents(trial, f"&type={code['system']}|{code['code']}&start=1900-01-01", wanted)
        # The range is of the care told of: a document that names no period lies in none.
        dated = {one["id"] for one in known if one["id"] in wanted and values(one, "context.period")}
        expect(every >= dated, f"the {len(dated)} documents of a type since 1900", len(every))

    return check


def _documents(trial: Trial, more: str, known: set[str]) -> set[str]:
    """The ids that `$docref` finds; raises Failed unless all are among those known."""
    patient = trial.file.account.patient_id
    answer = member.read(trial, f"DocumentReference/$docref?patient={patient}{more}")
    expect_status(answer.status, {200}, "$docref")
    told = answer.json()
    expect(told.get("type") == "searchset", "a Bundle of type searchset", told.get("type"))
    found = {entry["resource"]["id"] for entry in told.get("entry", ())}
    expect(found <= known, "only documents that were asked for", len(found - known))
    return found


def _require_listed(trial: Trial, one: Stated, kind: str, name: str) -> None:
    described = member.described(trial, one.resource_type)
    listed = {each.get(name) for each in described.get(kind, ())}
    _require(one.name in listed, one, f"{kind}s of {one.resource_type}")


def _require_include(trial: Trial, one: Stated, kind: str) -> None:
    listed = member.described(trial, one.resource_type).get(kind, ())
    # `CareTeam:participant:Patient` is what `CareTeam:participant` of the statement may be narrowed to.
    named = {one.name, ":".join(one.name.split(":")[:2])}
    _require(named & {str(each).replace(" ", "") for each in listed}, one, f"{kind} of {one.resource_type}")


def _require(listed: object, one: Stated, where: str) -> None:
    if not listed and one.force != "SHALL":
        raise NotOffered(f"the CapabilityStatement lists no {one.name} among the {where}")
    expect(listed, f"{one.name} among the {where} in the CapabilityStatement", "none")


_DEEDS: dict[str, Deed] = {
    "read": _read, "vread": _vread, "search-type": _search_type, "history-instance": _history,
    "history-type": _history_of_type,
}  # fmt: skip
_MAKERS: dict[str, Callable[[Stated], Check]] = {
    "interaction": _interaction, "_include": _include, "_revinclude": _revinclude, "operation": _operation,
}  # fmt: skip
_EVERYTHING = stated.everything()
REQUIREMENTS = (
    *(
        Requirement(
            f"following.{one.resource_type}.{one.name}", one.source,
            f"{one.resource_type}: {one.name} ({one.stated_by})", _MAKERS[one.kind](one),
        )
        for one in _EVERYTHING
        if one.kind in _MAKERS and one.name not in _WRITING
    ),
    *(
        Requirement(
            f"following.{name}.writing", "C, D, PDex; MAY", f"{name}: {', '.join(_WRITING)}", _written(name)
        )
        for name in sorted({one.resource_type for one in _EVERYTHING if one.name in _WRITING})
    ),
)  # fmt: skip
