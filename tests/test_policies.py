"""The rules of the library: who may set them, and that a word that changes nothing is not said."""

from __future__ import annotations

import pytest

from photonic.crdt.policy import DISPLAY_POLICY
from photonic.crdt.roster import MEMBER_SCOPES
from photonic.errors import NotAllowed
from photonic.policies import Policies
from tests.api.client import run
from tests.memory_library import MemoryLibrary


def test_only_a_node_with_the_scope_sets_rules() -> None:
    async def main() -> None:
        policies = Policies(MemoryLibrary(here_scopes=MEMBER_SCOPES))
        with pytest.raises(NotAllowed, match="policy"):
            await policies.set_display({"rating": "manual"})
        assert await policies.display() == {"*": "auto"}

    run(main)


def test_rules_that_are_so_already_are_not_written_again() -> None:
    async def main() -> None:
        library = MemoryLibrary()
        policies = Policies(library)
        for rules in ({"rating": "manual"}, {"rating": "manual"}, {}, {}):
            assert await policies.set_display(rules) == {"*": "auto"} | rules
        assert len(library.catalog.changes(DISPLAY_POLICY)) == 2

    run(main)


def test_rules_that_were_set_apart_are_settled_by_the_next_word() -> None:
    async def main() -> None:
        library = MemoryLibrary()
        policies = Policies(library)
        await policies.set_display({"rating": "manual"})
        library.write_apart(DISPLAY_POLICY, {"rating": "prefer:mobile"})
        assert await policies.display() == {"*": "auto", "rating": "manual"}, "THERE is no admin"

    run(main)
