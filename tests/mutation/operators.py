"""One small wrong at a time: what may be made of a module's functions, each as the code of the function it is in.

Comparisons flipped and moved by one, conditions negated, one part of an `and`, an `or` or a WHERE left out, guards and
calls removed, constants changed, sets met instead of joined.
"""

import ast
import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

_FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_MOVED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
}  # fmt: skip
_SWAPPED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.Mult: ast.FloorDiv,
}  # fmt: skip
_TAKES_ALL = frozenset({"where", "all_of", "and_", "filter", "having", "or_", "any_of"})
"""Calls whose arguments are conditions."""
PREDICATE = frozenset({"guard removed", "part left out", "condition left out"})
"""The kinds that take one authorization predicate away."""
_FUNCTIONS = (ast.FunctionDef, ast.Lambda)


@dataclass(frozen=True)
class Mutant:
    """One wrong: `outer` is the function of the module whose code holds it, `code` what it becomes."""

    path: str
    line: int
    end: int
    kind: str
    was: str
    number: int
    outer: tuple[str, int]
    code: CodeType

    @property
    def name(self) -> str:
        """How it is told of."""
        return f"{self.path}:{self.line}: {self.kind}: {self.was} ({self.number})"

    @property
    def unlined(self) -> str:
        """The same without what moves as lines do."""
        return f"{self.path}: {self.kind}: {self.was}"


def mutants(path: str, root: Path) -> Iterator[Mutant]:
    """Every mutant of one module, `path` from the root on."""
    source = (root / path).read_text("utf-8")
    tree = ast.parse(source)
    closures = dict(_closures(compile(tree, str(root / path), "exec")))
    for index, (outer, statement, kind, was, apply) in enumerate(list(_places(tree))):
        # The tree is changed, compiled and changed back: copying it each time would cost more than all the rest.
        undo = apply()
        changed = copy.deepcopy(tree)
        undo()
        _keep_closures(changed, closures)
        ast.fix_missing_locations(changed)
        code = _find_code(compile(changed, str(root / path), "exec"), outer)
        if code is not None:
            end = getattr(statement, "end_lineno", statement.lineno)
            if isinstance(statement, (ast.If, ast.For, ast.While, ast.With, ast.Try)):
                end = statement.lineno
            yield Mutant(path, statement.lineno, end, kind, was[:100], index, outer, code)


def _closures(code: CodeType) -> Iterator[tuple[tuple[str, int], tuple[str, ...]]]:
    """The names that each function takes from the one around it, by its own name and first line."""
    if code.co_freevars:
        yield (code.co_name, code.co_firstlineno), code.co_freevars
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _closures(inner)


def _keep_closures(tree: ast.Module, closures: Mapping[tuple[str, int], tuple[str, ...]]) -> None:
    # Code can only take the place of code with the same names from around: they are named where nothing comes by.
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            first = min([function.lineno, *(one.lineno for one in function.decorator_list)])
            if names := closures.get((function.name, first)):
                named: list[ast.stmt] = [ast.Expr(ast.Name(name, ast.Load())) for name in names]
                function.body.append(ast.If(ast.Constant(False), named, []))


def _places(tree: ast.Module) -> Iterator[tuple[tuple[str, int], Any, str, str, Any]]:
    for outer in _outermost(tree):
        name = getattr(outer, "name", "<lambda>")
        first = min([outer.lineno, *(one.lineno for one in getattr(outer, "decorator_list", ()))])
        for statement, parent, field, node in _nodes(outer):
            for kind, was, apply in _changes(parent, field, node):
                yield (name, first), statement, kind, was, apply


def _outermost(node: ast.AST) -> Iterator[Any]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _FUNCTIONS):
            yield child
        else:
            yield from _outermost(child)


def _nodes(outer: Any) -> Iterator[tuple[Any, Any, str, Any]]:
    """Every node in the body of a function, with the statement it stands in and where its parent keeps it."""
    body = outer.body if isinstance(outer.body, list) else [outer.body]
    stack = [(one if isinstance(one, ast.stmt) else outer, outer, "body", one) for one in body if not _is_text(one)]
    while stack:
        statement, parent, field, node = stack.pop(0)
        yield statement, parent, field, node
        for name, value in ast.iter_fields(node):
            if name in {"annotation", "returns", "decorator_list", "type_params"}:
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not _is_text(child):
                    inner = child if isinstance(child, ast.stmt) else statement
                    stack.append((inner, node, name, child))


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _changes(parent: Any, field: str, node: Any) -> Iterator[tuple[str, str, Any]]:
    was = ast.unparse(node) if isinstance(node, (ast.expr, ast.stmt)) else ""
    match node:
        case ast.Compare():
            for at, operator in enumerate(node.ops):
                for kind, table in (("flipped", _FLIPPED), ("moved by one", _MOVED)):
                    if type(operator) in table:
                        yield kind, was, _item(node.ops, at, table[type(operator)]())
        case ast.BoolOp():
            for at, value in enumerate(node.values):
                yield "part left out", f"{ast.unparse(value)} of {was}", _without(node.values, at)
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield "and for or", was, _attribute(node, "op", other)
        case ast.UnaryOp(op=ast.Not()):
            yield "not removed", was, _in_place(parent, field, node, node.operand)
        case ast.BinOp() if type(node.op) in _SWAPPED and not isinstance(node.left, (ast.JoinedStr, ast.Constant)):
            yield "operator swapped", was, _attribute(node, "op", _SWAPPED[type(node.op)]())
        case ast.Constant(value=bool() as value):
            yield "constant", was, _attribute(node, "value", not value)
        case ast.Constant(value=int() as value):
            yield "constant", was, _attribute(node, "value", value + 1)
        case ast.Constant(value=str() as value) if isinstance(parent, (ast.Compare, ast.Set)):
            yield "constant", was, _attribute(node, "value", f"x{value}")
        case ast.Expr(value=ast.Call()):
            yield "call removed", was, _in_place(parent, field, node, ast.Pass())
        case ast.If(body=[ast.Raise() | ast.Return()], orelse=[]):
            yield "guard removed", was.partition("\n")[0], _in_place(parent, field, node, ast.Pass())
    if isinstance(node, (ast.If, ast.IfExp, ast.While)) and not isinstance(node.test, ast.Compare):
        negated = ast.UnaryOp(ast.Not(), node.test)
        yield "negated", ast.unparse(node.test), _attribute(node, "test", negated)
    if isinstance(node, ast.comprehension):
        for at, condition in enumerate(node.ifs):
            yield "condition left out", ast.unparse(condition), _dropped(node.ifs, at)
    if isinstance(node, ast.Call):
        named = getattr(node.func, "attr", getattr(node.func, "id", ""))
        for at, argument in enumerate(node.args if named in _TAKES_ALL else ()):
            yield "condition left out", f"{ast.unparse(argument)} of {named}", _dropped(node.args, at)
    if isinstance(node, (ast.Tuple, ast.List)) and isinstance(getattr(node, "ctx", None), ast.Load):
        for at, element in enumerate(node.elts):
            if isinstance(element, ast.Compare) and len(node.elts) > 1:
                yield "condition left out", ast.unparse(element), _dropped(node.elts, at)


def _item(values: list[Any], at: int, new: Any) -> Any:
    def apply() -> Any:
        old, values[at] = values[at], new
        return lambda: values.__setitem__(at, old)

    return apply


def _dropped(values: list[Any], at: int) -> Any:
    def apply() -> Any:
        old = values.pop(at)
        return lambda: values.insert(at, old)

    return apply


def _without(values: list[Any], at: int) -> Any:
    """One value of a BoolOp, which needs two: the last one left stands twice."""

    def apply() -> Any:
        old = list(values)
        left = [*values[:at], *values[at + 1 :]]
        values[:] = left if len(left) > 1 else left * 2
        return lambda: values.__setitem__(slice(None), old)

    return apply


def _attribute(node: Any, name: str, new: Any) -> Any:
    def apply() -> Any:
        old = getattr(node, name)
        setattr(node, name, new)
        return lambda: setattr(node, name, old)

    return apply


def _in_place(parent: Any, field: str, node: Any, new: Any) -> Any:
    held = getattr(parent, field)
    if isinstance(new, ast.Pass):
        ast.copy_location(new, node)
    if isinstance(held, list):
        return _item(held, next(at for at, one in enumerate(held) if one is node), new)
    return _attribute(parent, field, new)


def _find_code(code: CodeType, outer: tuple[str, int]) -> CodeType | None:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            if (one.co_name, one.co_firstlineno) == outer:
                return one
            if (found := _find_code(one, outer)) is not None:
                return found
    return None
