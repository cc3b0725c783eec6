"""The code that a function's handler can reach, found in the sources without running them.

Names are followed (functions, classes, constants, across modules) and, of a class that is
reached, the methods whose names are used anywhere in the reached code. The result includes all
code that can run, because no name is computed at run time, and a little more.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.template.stack import ROOT

SERVICES = ROOT / "services"
_LAZY = frozenset({"kernel.web.api"})
"""Modules whose functions import what few requests need; these imports are followed, too. Others
load clients (the fence, the cache), whose rights have tests of their own."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

Symbol = tuple[str, str]
"""A module and a name at its top level."""


class Module:
    """A module's top level: its definitions, and the meaning of its names."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.body = ast.parse(path.read_text(encoding="utf-8")).body
        self.defined: dict[str, list[ast.stmt]] = {}
        self.imported: dict[str, Symbol] = {}
        self.decorated: dict[str, list[ast.FunctionDef]] = {}
        """Functions by the name of the object that registers them: `@routes.get(...)`."""
        for statement in self.body:
            self._read(statement)

    def _read(self, statement: ast.stmt) -> None:
        match statement:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                self.defined[name] = [statement]
                if isinstance(statement, ast.FunctionDef):
                    for node in (n for d in statement.decorator_list for n in ast.walk(d)):
                        if isinstance(node, ast.Name):
                            self.decorated.setdefault(node.id, []).append(statement)
            case ast.ImportFrom(module=str(source), names=aliases):
                for alias in aliases:
                    self.imported[alias.asname or alias.name] = (source, alias.name)
            case ast.Import(names=aliases):
                for alias in aliases:
                    self.imported[alias.asname or alias.name] = (alias.name, "")
            case _:
                for node in ast.walk(statement):
                    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                        self.defined.setdefault(node.id, []).append(statement)


@cache
def module(name: str) -> Module | None:
    """A module of services/ or worker/, or None."""
    part = name.replace(".", "/")
    base = (ROOT if part.partition("/")[0] == "worker" else SERVICES) / part
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return Module(name, path)
    return None


class Reach:
    """All code that the handlers' modules reach; `closed` modules are named but not entered."""

    def __init__(self, *handlers: str, closed: frozenset[str] = frozenset()) -> None:
        self.symbols: set[Symbol] = set()
        self.attributes: set[str] = set()
        """Every name used as `thing.name`."""
        self.dotted: set[str] = set()
        """The same with the expression before it: `self._table.query`."""
        self.texts: set[str] = set()
        """Every text constant: "get_object", "gsi1"."""
        self.needed: set[str] = set()
        """Environment variables that settings require: fields without a default."""
        self.optional: set[str] = set()
        """Environment variables that settings may read: fields with a default."""
        self._closed = closed
        self._classes: list[tuple[Module, ast.ClassDef]] = []
        self._entered: set[int] = set()
        for handler in handlers:
            start = module(handler)
            assert start is not None, f"there is no module {handler}"
            for statement in start.body:
                if not isinstance(statement, ast.Import | ast.ImportFrom):
                    self._enter(start, statement)
        while self._methods():
            pass
        self.needed -= self.optional

    def _methods(self) -> bool:
        """Enter the methods that are used by now; returns whether any were new."""
        before = len(self._entered)
        for where, node in list(self._classes):
            for statement in node.body:
                if isinstance(statement, _FUNCTIONS) and (
                    statement.name in self.attributes or statement.name.startswith("__")
                ):
                    self._enter(where, statement)
        return len(self._entered) > before

    def _enter(self, where: Module, node: ast.AST) -> None:
        if id(node) in self._entered:
            return
        self._entered.add(id(node))
        if isinstance(node, ast.ClassDef):
            self._classes.append((where, node))
            parts: list[ast.AST] = [*node.bases, *node.decorator_list]
            parts += [k.value for k in node.keywords]
            parts += [s for s in node.body if not isinstance(s, _FUNCTIONS)]
        else:
            parts = [node]
        for part in parts:
            for inner in ast.walk(part):
                self._use(where, inner)

    def _use(self, where: Module, node: ast.AST) -> None:
        match node:
            case ast.Call(func=ast.Name(id="read_settings"), args=[ast.Name(id=model)]):
                self._read_settings(where, model)
            case ast.Attribute(value=value, attr=name):
                self.attributes.add(name)
                self.dotted.add(ast.unparse(node))
                if isinstance(value, ast.Name):
                    self._follow_part(where, value.id, name)
            case ast.Constant(value=str(text)):
                self.texts.add(text)
            case ast.ImportFrom(module=str(source), names=aliases) if where.name in _LAZY:
                for alias in aliases:
                    where.imported.setdefault(alias.asname or alias.name, (source, alias.name))
            case ast.Name(id=name):
                self._follow(where, name)
            case _:
                pass

    def _read_settings(self, where: Module, model: str) -> None:
        """The variables of a settings dataclass (kernel/runtime/settings.py)."""
        source, name = where.imported.get(model, (where.name, model))
        found = module(source)
        assert found is not None
        (definition,) = found.defined[name]
        assert isinstance(definition, ast.ClassDef)
        for field in definition.body:
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                variables = self.needed if field.value is None else self.optional
                variables.add(field.target.id.upper())

    def _follow_part(self, where: Module, alias: str, name: str) -> None:
        """Follow `alias.name`, where the alias may be a module of services/."""
        if (target := where.imported.get(alias)) is not None:
            for source in (target[0], ".".join(target)):
                if module(source) is not None:
                    self._reach((source, name))

    def _follow(self, where: Module, name: str) -> None:
        if name in where.defined:
            self._reach((where.name, name))
        elif name in where.imported:
            self._reach(where.imported[name])

    def _reach(self, symbol: Symbol) -> None:
        if symbol in self.symbols:
            return
        self.symbols.add(symbol)
        found = module(symbol[0])
        if found is None or symbol[0] in self._closed:
            return
        for statement in (*found.defined.get(symbol[1], ()), *found.decorated.get(symbol[1], ())):
            self._enter(found, statement)
        if symbol[1] in found.imported:
            self._reach(found.imported[symbol[1]])

    def names(self, source: str) -> Iterator[str]:
        """The names that are used of a module."""
        return (name for where, name in self.symbols if where == source)


@cache
def reach(*handlers: str) -> Reach:
    """The code that handlers' modules reach; table.py is not entered, as it has every call."""
    return Reach(*handlers, closed=frozenset({"kernel.storage.table"}))


def worker() -> Reach:
    """The code that the worker reaches: its process and the jobs that it discovers."""
    jobs = [f"{path.parents[1].name}.jobs" for path in SERVICES.glob("*/jobs/__init__.py")]
    return reach("worker.main", *sorted(jobs))
