"""Bugs that are planted in the product on purpose: what the simulator must find.

`mutations.toml` lists them. A mutation is a few lines of the product, written otherwise, and a
sentence that says what they would cost a photographer. The text that it replaces must stand in the
file exactly once; where the product has changed, the mutation is written anew, never dropped.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

_LIST = Path(__file__).with_suffix(".toml")
_ROOT = Path(__file__).parents[1]


class MutationInvalid(ValueError):
    """A mutation that cannot be planted; the text says which, and why."""


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`before` becomes `after` in a file of the product."""

    file: str  # from the root of the repository
    before: str
    after: str

    @property
    def module(self) -> str:
        return ".".join(Path(self.file).with_suffix("").parts)


class Mutation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One bug. `scenario` is where it is looked for."""

    name: str
    why: str
    scenario: str = "everyday"
    edits: tuple[Edit, ...]

    def spoil(self, module: str, source: str) -> str:
        """Return the source of a module with the bug in it. Raises MutationInvalid."""
        for edit in self.edits:
            if edit.module != module:
                continue
            count = source.count(edit.before)
            if count != 1:
                there = f"is in {edit.file} {count} times, not once"
                raise MutationInvalid(f"{self.name}: what it replaces {there}:\n{edit.before}")
            source = source.replace(edit.before, edit.after)
        return source

    def check(self) -> None:
        """Raises MutationInvalid if it cannot be planted in the product as it is now."""
        for edit in self.edits:
            path = _ROOT / edit.file
            spoilt = self.spoil(edit.module, path.read_text(encoding="utf-8"))
            try:
                compile(spoilt, edit.file, "exec", dont_inherit=True)
            except SyntaxError as error:
                raise MutationInvalid(f"{self.name}: {error}") from error


def load(names: Iterable[str] = ()) -> list[Mutation]:
    """Return these mutations, or all, in the order of the list. Raises MutationInvalid."""
    every = parse(_LIST.read_text(encoding="utf-8"))
    wanted = list(names) or list(every)
    unknown = [name for name in wanted if name not in every]
    if unknown:
        known = ", ".join(every)
        raise MutationInvalid(f"no mutation is called {', '.join(unknown)}; there are {known}")
    return [every[name] for name in wanted]


def parse(text: str) -> Mapping[str, Mutation]:
    """Read a list of mutations. Raises MutationInvalid."""
    found: dict[str, Mutation] = {}
    try:
        for name, entry in tomllib.loads(text).items():
            edits = entry.pop("edit")
            found[name] = msgspec.convert({"name": name, "edits": edits, **entry}, Mutation)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, KeyError, AttributeError) as error:
        raise MutationInvalid(f"mutations.toml cannot be read: {error!r}") from error
    return found
