"""One process with one planted bug: plays histories until one of them shows it.

    python -m simulations.planting MUTATION SCENARIO SEED [COUNT]

The bug is put in while the module that has it is imported, so no file is ever another one. Without
a mutation (`-`) the product is played as it is. Each history is one line on stdout, an `Outcome`
as JSON; after the first that breaks a promise no other is played.
"""

from __future__ import annotations

import faulthandler
import importlib
import importlib.machinery
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import CodeType, ModuleType

from simulations import mutations
from simulations.mutations import Mutation

AS_IT_IS = "-"
_HISTORY_S_MAX = 300.0  # a history that takes longer goes round in a circle


class _Spoilt(importlib.machinery.SourceFileLoader):
    """Loads a module with the bug in it; nothing of it is cached."""

    def __init__(self, mutation: Mutation, name: str, path: str) -> None:
        super().__init__(name, path)
        self._mutation = mutation

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_source(fullname)
        assert source is not None, "a module of the product has a source"
        spoilt = self._mutation.spoil(fullname, source)
        code: CodeType = compile(spoilt, self.get_filename(fullname), "exec", dont_inherit=True)
        return code


class _Planter(MetaPathFinder):
    """Finds the modules that a mutation changes."""

    def __init__(self, mutation: Mutation) -> None:
        self._mutation = mutation
        self._modules = {edit.module for edit in mutation.edits}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self._modules:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Spoilt(self._mutation, fullname, spec.origin)
        return spec


def plant(mutation: Mutation) -> None:
    """Put a bug into the product as this process will import it. Before anything imported it."""
    early = [edit.module for edit in mutation.edits if edit.module in sys.modules]
    assert not early, f"{early} are imported already"
    sys.meta_path.insert(0, _Planter(mutation))


def main(words: Sequence[str]) -> None:
    name, scenario_name, first = words[0], words[1], int(words[2])
    count = int(words[3]) if len(words) > 3 else 1
    if name != AS_IT_IS:
        plant(mutations.load([name])[0])
    # Only now, for these import the product.
    scenario = importlib.import_module("simulations.scenario").load(scenario_name)
    draw = importlib.import_module("simulations.histories").draw
    play = importlib.import_module("simulations.play").play
    outcomes = importlib.import_module("simulations.outcomes")
    for seed in range(first, first + count):
        faulthandler.dump_traceback_later(_HISTORY_S_MAX, exit=True)
        outcome, _ = play(scenario, draw(scenario, seed))
        sys.stdout.buffer.write(outcomes.line(outcome))
        sys.stdout.buffer.flush()
        if not outcome.is_good:
            return


if __name__ == "__main__":
    main(sys.argv[1:])
