"""NDCs: how they are written, and which class the product of each is in.

`drug_codes.json` beside this module holds the first nine digits of NDCs (labeler and product, so that package sizes do
not matter), or five where everything of a labeler is in one class. There are some 100,000 products: a plan whose claims
carry no RxNorm makes the file from FDA's NDC directory (`flask fhir drug-codes`, decision 156).
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

FILE = Path(__file__).with_name("drug_codes.json")
ORDINARY = "ordinary"
"""Name of the list of products that are in no sensitive class."""

_SEGMENTS = re.compile(r"(\d{4,6})-(\d{3,4})(?:-(\d{1,2}))?", re.ASCII)
_DIGITS = re.compile(r"\d{9,12}", re.ASCII)
_LABELER, _PRODUCT, _NDC, _LONG = 5, 9, 11, 12
_NAME = re.compile(r"[a-z]+")
_COLUMNS = ("PRODUCTNDC", "SUBSTANCENAME", "PHARM_CLASSES")


class NoDirectory(Exception):
    """A file is not the product file of FDA's NDC directory."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is not product.txt of FDA's NDC directory: tab-separated, with {', '.join(_COLUMNS)}."
        )


def classes_of(code: str) -> frozenset[str] | None:
    """The sensitive classes of the product of an NDC; None where it is in no list, or no NDC."""
    found: set[str] = set()
    readings = products(code)
    for product in readings:
        found |= _lists().get(product, _NONE) | _lists().get(product[:_LABELER], _NONE)
    # Ten digits without hyphens are three products: that one of them is ordinary tells nothing.
    if not found or (len(readings) > 1 and found == {ORDINARY}):
        return None
    return frozenset(found - {ORDINARY})


def products(code: str) -> tuple[str, ...]:
    """Labeler and product of an NDC in nine digits, for each way it can be read; empty where it is no NDC.

    With hyphens: 4-4-2, 5-3-2, 5-4-1, 5-4-2, 6-4-2, or without package. Without: 11 digits, 12 that begin with 0, 9
    without package, or 10, which can be read in three ways.
    """
    code = code.strip()
    if parts := _SEGMENTS.fullmatch(code):
        labeler, product = parts[1].removeprefix("0") if len(parts[1]) > _LABELER else parts[1], parts[2]
        return (labeler.zfill(_LABELER) + product.zfill(_PRODUCT - _LABELER),) if len(labeler) <= _LABELER else ()
    if not _DIGITS.fullmatch(code):
        return ()
    if len(code) == _LONG:
        return (code[1 : _PRODUCT + 1],) if code.startswith("0") else ()
    if len(code) in {_PRODUCT, _NDC}:
        return (code[:_PRODUCT],)
    return "0" + code[:8], code[:5] + "0" + code[5:8], code[:9]


def extend(directories: Sequence[Path], substances: Mapping[str, Sequence[str]], file: Path = FILE) -> int:
    """Add the products of editions of FDA's NDC directory to the file; how many products it holds then.

    `substances`: by class, starts of the names of active ingredients and of pharmacologic classes. A product whose
    ingredients are not told is left out, and what the file says of others stays. Raises NoDirectory and OSError.
    """
    lists: dict[str, set[str]] = {name: set(codes) for name, codes in json.loads(file.read_text("utf-8")).items()}
    for path in directories:
        for code, told in _rows(path):
            names = _classes_named(told, substances) or {ORDINARY}
            for name in names:
                lists.setdefault(name, set()).update(products(code))
    made = {name: sorted(codes) for name, codes in sorted(lists.items())}
    whole = file.with_suffix(".new")
    whole.write_text(json.dumps(made, indent=0) + "\n", "utf-8")
    whole.replace(file)
    _lists.cache_clear()
    return len(set().union(*lists.values()))


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    """NDC of each product, and what its ingredients and their classes are called."""
    # FDA writes it in the code page of Windows; the columns read here are ASCII.
    with path.open(encoding="cp1252", errors="replace", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        if not set(_COLUMNS) <= set(rows.fieldnames or ()):
            raise NoDirectory(path)
        for row in rows:
            if row["SUBSTANCENAME"]:
                yield row["PRODUCTNDC"], f"{row['SUBSTANCENAME']} {row['PHARM_CLASSES'] or ''}"


def _classes_named(told: str, substances: Mapping[str, Sequence[str]]) -> set[str]:
    words = f" {' '.join(_NAME.findall(told.lower()))} "
    return {name for name, wanted in substances.items() if any(f" {one}" in words for one in wanted)}


_NONE: frozenset[str] = frozenset()


@lru_cache(maxsize=1)
def _lists() -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    # Products of one class share one set.
    shared: dict[frozenset[str], frozenset[str]] = {}
    for name, codes in json.loads(FILE.read_text("utf-8")).items():
        for code in codes:
            both = found.get(code, _NONE) | {name}
            found[code] = shared.setdefault(both, both)
    return found
