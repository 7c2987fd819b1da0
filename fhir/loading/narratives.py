"""What people are shown of a resource (`text.div`): only the XHTML that FHIR R4 allows.

Apps put a narrative into their pages as it is: one of more than formatting is not handed on (decision 157).
"""

import re
from html.entities import name2codepoint
from xml.parsers import expat

from fhir.loading.json_texts import parse_value

NARRATIVE = "narrative"
"""The rule that such a narrative breaks."""
UNFIT = (
    "The narrative is not stored: it is one <div xmlns> of formatting, without scripts, forms, frames, event "
    "attributes and javascript: addresses (FHIR R4, txt-1)."
)
XHTML = "http://www.w3.org/1999/xhtml"
_SIMPLE = re.compile(
    rb'\{"status":"[a-z]+","div":"<div xmlns=\\"http://www\.w3\.org/1999/xhtml\\">'
    rb'(?:[^<&"\\]|<br ?/>|<(p|b|i|em|strong|h[1-6])>[^<&"\\]*</\1>)*</div>"\}'
)
"""Nearly all: text in paragraphs, no attributes and no escapes. Whatever else there is, a parser reads."""
_ELEMENTS = frozenset({
    "a", "abbr", "acronym", "address", "area", "b", "bdo", "big", "blockquote", "br", "caption", "cite", "code",
    "col", "colgroup", "dd", "dfn", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
    "i", "img", "kbd", "li", "map",
    "ol", "p", "pre", "q", "samp", "small", "span", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th",
    "thead", "tr", "tt", "ul", "var",
})  # fmt: skip
_ATTRIBUTES = frozenset({
    "abbr", "accesskey", "align", "alt", "axis", "bgcolor", "border", "cellpadding", "cellspacing",
    "char", "charoff", "charset", "cite", "class", "clear", "colspan", "compact", "coords", "dir", "frame",
    "headers", "height", "href", "hreflang", "hspace", "id", "ismap", "lang", "longdesc", "name", "nohref",
    "noshade", "nowrap", "rel", "rev", "rowspan", "rules", "scope", "shape", "size", "span", "src", "start",
    "style", "summary", "tabindex", "title", "type", "usemap", "valign", "value", "vspace", "width",
    "xml:lang", "xml:space", "xmlns",
})  # fmt: skip
_ADDRESSES = frozenset({"cite", "href", "longdesc", "src", "usemap"})
_SCHEME = re.compile(r"([^/?#]*?):")
_SCHEMES = frozenset({"http", "https", "mailto", "tel"})
_IMAGE = re.compile(r"data:image/(?:png|gif|jpeg);base64,[A-Za-z0-9+/=\s]*")
_LOADS = re.compile(r"url|import|expression|behavior|binding|script|[\\@<]", re.IGNORECASE)
"""What no style does that stands for itself."""
_ENTITY = re.compile(r"&([A-Za-z0-9]+);")
_OF_XML = frozenset({"amp", "lt", "gt", "quot", "apos"})


class _Unfit(Exception):
    """More than formatting."""


def is_fit(text: bytes) -> bool:
    """Whether a Narrative, as JSON, holds one div of what R4 allows (txt-1)."""
    if _SIMPLE.fullmatch(text):
        return True
    narrative = parse_value(text)
    return isinstance(narrative, dict) and is_fit_div(narrative.get("div"))


def is_fit_div(div: object) -> bool:
    """The same of the div itself."""
    if not isinstance(div, str):
        return False
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        if name not in _ELEMENTS or (depth == 0 and (name != "div" or attributes.get("xmlns") != XHTML)):
            raise _Unfit
        if not all(_may_stand(one, value) for one, value in attributes.items()):
            raise _Unfit
        depth += 1

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_given: object) -> None:
        raise _Unfit

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    # No entities of its own, and nothing that HTML reads in another way than XML does.
    parser.StartDoctypeDeclHandler = parser.ProcessingInstructionHandler = parser.StartCdataSectionHandler = refuse
    parser.CommentHandler = _require_plain
    try:
        parser.Parse(_ENTITY.sub(_known, div).encode(), True)
    except (_Unfit, expat.ExpatError, UnicodeEncodeError):
        return False
    return True


def _require_plain(comment: str) -> None:
    if "<" in comment or ">" in comment:
        raise _Unfit


def _known(entity: re.Match[str]) -> str:
    # Those of HTML are in no XML without its DTD, and do no harm.
    return " " if entity[1] in name2codepoint and entity[1] not in _OF_XML else entity[0]


def _may_stand(name: str, value: str) -> bool:
    if name not in _ATTRIBUTES:
        return False
    if name == "xmlns":
        return value == XHTML
    if name == "style":
        return not _LOADS.search(value)
    return name not in _ADDRESSES or _leads_to_page(value)


def _leads_to_page(address: str) -> bool:
    """Whether an address is relative, of a page, or a picture of its own."""
    # Browsers leave blanks and control characters out of a scheme.
    plain = "".join(one for one in address if one > " ")
    scheme = _SCHEME.match(plain)
    return scheme is None or scheme[1].lower() in _SCHEMES or _IMAGE.fullmatch(plain) is not None
