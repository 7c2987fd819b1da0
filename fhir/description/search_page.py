"""docs/search-parameters.md: what each type can be searched by, made from the declared parameters (Markdown)."""

from collections.abc import Iterator

from fhir.compartment import TYPES
from fhir.search import parameters
from fhir.search.combinations import COMBINATIONS
from fhir.search.dates import Prefix
from fhir.search.includes import MOST_INCLUDED
from fhir.search.parameters import Parameter
from fhir.search.query import DEFAULT_COUNT, MAX_COUNT, SEARCH_LIMIT, Summary, Total
from fhir.store import MOST_CHAINED

COMMAND = "flask fhir search-parameters"
"""What writes the page."""

_UNTOLD = "an estimate is exact. Where nothing is said, there is a total only if all fits on one page"
_RULES = f"""# Search parameters

Made by `{COMMAND}` from `fhir/search/declared.py` and `declared_directory.py`, from which the index, the search, the
CapabilityStatement and the OpenAPI document come too. After a change there, `flask fhir reindex` brings what is stored
up to date.

## Rules

- GET `[base]/Type?…` and POST `[base]/Type/_search` are the same; a POST may have some in its address, too.
- A parameter that is given twice means both (and), a comma means either (or). A comma, bar, dollar or backslash that is
  meant is written `\\,` `\\|` `\\$` `\\\\`. One search holds at most {SEARCH_LIMIT} values.
- Every parameter may be combined with every other; the combinations that the guides name are listed below.
- With a member's token a search is about that member, whether or not it says so; to name another patient is 403.
- *date*: {", ".join(f"`{prefix}`" for prefix in Prefix)}
  before a year, month, day, minute, second or fraction, with an offset from UTC (`+` is written `%2B`) or, where there
  is none, in UTC. Value and element are both ranges, and a Period without start or end has no end on that side. `ap`
  takes a tenth of the distance from now on each side.
- *token*: `code`, `system|code`, `|code` (no system), `system|` (any code of it).
- *reference*: `id`, `Type/id`, an address of ours, or `:Type=id`. A reference to a version counts as one to the
  resource. A canonical reference is given by its URL, with or without version.
- *string*: begins with, whatever case and accents; `:contains` anywhere, `:exact` as written.
- A chain looks through those who meet it, at most {MOST_CHAINED:,}; where more do it is 400 (`too-costly`), as is a
  page with which more than {MOST_INCLUDED:,} resources would come along, or some by more than fifty
  references in a row.
- `:missing=true|false` goes with every parameter. A modifier that a parameter does not take is 400.
- Unknown parameters are left out, a warning in the answer says so, and the `self` link does not have them;
  `Prefer: handling=strict` makes them 400. `_has`, `_filter`, `_text`, `_content`, `_list`, `_query` and chains that
  are not listed are 400 always: to leave them out would find more than was asked for.

| control | values |
|---|---|
| `_count` | matches a page, {DEFAULT_COUNT} where nothing is said, at most {MAX_COUNT}; 0 counts only |
| `_sort` | names from *sorts*, with commas between, `-` for descending; else by date, the newest first |
| `_total` | {", ".join(f"`{one}`" for one in Total)}; {_UNTOLD} |
| `_summary` | {", ".join(f"`{one}`" for one in Summary)} |
| `_elements` | root elements; mandatory ones stay |
| `_include`, `_revinclude` | as listed, with `:iterate` from what came along; what the token may not read stays out |
"""


def page() -> str:
    """The whole page."""
    return _RULES + "".join(f"\n## {resource_type}\n\n" + "\n".join(_section(resource_type)) for resource_type in TYPES)


def _section(resource_type: str) -> Iterator[str]:
    yield "| parameter | type | modifiers | sorts | of | defined |"
    yield "|---|---|---|---|---|---|"
    every = parameters.of(resource_type)
    yield from (_row(one) for one in every)
    yield ""
    for parameter in every:
        if through := parameters.chains(parameter):
            yield "Chains: " + ", ".join(f"`{parameter.name}.{one.name}`" for one in through) + ".\n"
    for force in ("SHALL", "SHOULD"):
        if named := [names for said, names in COMBINATIONS.get(resource_type, ()) if said == force]:
            yield f"Combinations ({force}): " + ", ".join(f"`{names}`" for names in named) + ".\n"
    if includes := parameters.includes(resource_type):
        yield "`_include`: " + ", ".join(f"`{one}`" for one in (f"{resource_type}:*", *includes)) + ".\n"
    if revincludes := parameters.revincludes(resource_type):
        yield "`_revinclude`: " + ", ".join(f"`{one}`" for one in revincludes) + ".\n"


def _row(parameter: Parameter) -> str:
    modifiers = " ".join(f"`:{one}`" for one in parameters.modifiers(parameter) if one != "missing")
    of = " or ".join(f"`{path}`" for path in parameter.path.split("|")) if parameter.path else ""
    name = parameter.definition.rpartition("/")[2]
    sorts = "yes" if parameters.sort_column(parameter) else ""
    cells = (f"`{parameter.name}`", parameter.kind.declared, modifiers, sorts, of, f"[{name}]({parameter.definition})")
    return "| " + " | ".join(cells) + " |"
