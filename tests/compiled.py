"""What every new application would make anew, kept for the life of a test process: templates, statements, keys.

A test makes an application and an engine of its own; nothing here changes what any of them does.
"""

import gc
from collections.abc import Callable
from typing import Any

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from joserfc.jwk import RSAKey
from sqlalchemy import Dialect, Engine
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

from oauth import keys

_templates: dict[str, bytes] = {}
_builders: dict[tuple[Any, ...], Callable[..., tuple[str, str]]] = {}
_compile_builder = Rule._compile_builder
_dialects: dict[str, Dialect] = {}
_statements: LRUCache[Any, Any] = LRUCache(5000)
_keys: list[RSAKey] = []


class KeptTemplates(BytecodeCache):
    """Compiled templates, under the checksum of their source."""

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill in what was compiled before."""
        if (kept := _templates.get(f"{bucket.key}{bucket.checksum}")) is not None:
            bucket.bytecode_from_string(kept)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled now."""
        _templates[f"{bucket.key}{bucket.checksum}"] = bucket.bytecode_to_string()


def keep_builders() -> None:
    """Let werkzeug compile the builder of each rule once a process, not once an application."""
    Rule._compile_builder = _kept_builder  # type: ignore[method-assign, assignment]


class KeptKeys(RSAKey):
    """The n-th signing key of every test is the same one; no test meets a key twice."""

    made = 0

    @classmethod
    def generate_key(cls, *arguments: Any, **named: Any) -> RSAKey:  # type: ignore[override]
        """The next of the kept keys, made if it is not yet there."""
        if cls.made == len(_keys):
            _keys.append(RSAKey.generate_key(*arguments, **named))
        cls.made += 1
        return _keys[cls.made - 1]


def keep_keys() -> None:
    """Let the keys that sign ID tokens be made once a process: 3,072 bits take a third of a second."""
    vars(keys)["RSAKey"] = KeptKeys


def keep_statements(engine: Engine) -> Engine:
    """Let the engine take statements that another one has compiled; they are kept by dialect, so it takes that too."""
    engine.dialect = _dialects.setdefault(engine.dialect.name, engine.dialect)
    engine._compiled_cache = _statements
    return engine


def keep_modules() -> None:
    """Look for garbage rarely, and never among what was imported: a full look at it takes a third of a second."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def keep_templates(app: Flask) -> Flask:
    """Let the application take templates that another one has compiled."""
    app.jinja_env.bytecode_cache = KeptTemplates()
    return app


def _kept_builder(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
    named = (rule.rule, append_unknown, tuple(rule._trace), repr(sorted((rule.defaults or {}).items())))
    if named not in _builders:
        _builders[named] = _compile_builder(rule, append_unknown)
    return _builders[named]
