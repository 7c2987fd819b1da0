"""What the rights of personal representatives are called on pages."""

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from consent.models import Basis, LinkScope

BASES: dict[Basis, LazyString] = {
    Basis.PARENT: _("parent"),
    Basis.GUARDIAN: _("guardian"),
    Basis.POWER_OF_ATTORNEY: _("power of attorney"),
    Basis.CONSERVATOR: _("conservator"),
    Basis.EXECUTOR: _("executor"),
    Basis.PERMISSION: _("the member's own permission"),
}

SCOPES: dict[LinkScope, LazyString] = {
    LinkScope.ALL: _("All information"),
    LinkScope.WITHOUT_SENSITIVE: _("Everything except very personal topics"),
    LinkScope.CLAIMS_ONLY: _("Claims and coverage only"),
    LinkScope.CLAIMS_WITHOUT_SENSITIVE: _("Claims and coverage only, without very personal topics"),
}
"""How much somebody may see, as others read it, the most first."""
LINK_SCOPES: dict[LinkScope, LazyString] = {**SCOPES, LinkScope.ALL: _("All of your information")}
"""The same as the member reads it."""
