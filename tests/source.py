"""The product's own source as the house tests read it: files, what they import, what they call."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE_FOLDERS = ("photonic", "tests", "simulations", "benchmarks")


@dataclass(frozen=True)
class Import:
    """One imported module, by its full name, and where it stands."""

    module: str
    line: int
    is_inside_function: bool
    is_for_types_only: bool  # below `if TYPE_CHECKING:`


@dataclass(frozen=True)
class Source:
    """One Python file."""

    path: Path  # from the root of the project

    @cached_property
    def text(self) -> str:
        return (ROOT / self.path).read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=str(self.path))

    @property
    def module(self) -> str:
        """The dotted name; that of the package for `__init__.py`."""
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def is_test(self) -> bool:
        return self.path.parts[0] == "tests"

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        return tuple(_imports(self.tree, in_function=False, for_types=False))

    def functions(self) -> Iterator[tuple[str, int, int]]:
        """Yield name, line and length in lines of every function, decorators not counted."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1

    def calls(self) -> Iterator[tuple[str, int]]:
        """Yield the full name and the line of each call whose name an import explains.

        `from time import sleep as nap; nap(1)` is `time.sleep`. Methods of objects are not seen.
        """
        names = dict(_bound_names(self.tree))
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                dotted = _dotted(node.func)
                head, _, rest = dotted.partition(".")
                if head in names:
                    yield f"{names[head]}.{rest}".rstrip("."), node.lineno


@lru_cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Return the Python files below `folders` of the project, sorted."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    kept = (path.relative_to(ROOT) for path in found if "node_modules" not in path.parts)
    return tuple(Source(path) for path in sorted(kept))


def _imports(node: ast.AST, *, in_function: bool, for_types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Import(names=names):
                for alias in names:
                    yield Import(alias.name, child.lineno, in_function, for_types)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                # `from package import module` may name a module, so both names are told.
                yield Import(module, child.lineno, in_function, for_types)
                for alias in names:
                    full = f"{module}.{alias.name}"
                    yield Import(full, child.lineno, in_function, for_types)
            case ast.ImportFrom():
                raise AssertionError(f"relative import in line {child.lineno}")
            case _:
                inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
                yield from _imports(
                    child, in_function=in_function or inside, for_types=for_types or types
                )


def _bound_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each name that an import binds, with what it stands for."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    name = alias.asname or alias.name.partition(".")[0]
                    yield name, alias.name if alias.asname else name
            case ast.ImportFrom(module=str(module), names=names):
                for alias in names:
                    yield alias.asname or alias.name, f"{module}.{alias.name}"


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{_dotted(value)}.{attribute}"
    return ""
