"""The members' FHIR R4 API; the library fhir.resources lives in a package of the same name, hence the extended path."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
