"""Library keys are given and made by an admin's node by itself, and it is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from photonic.crdt.changes import Draft
from photonic.crdt.fields import REVOKED
from photonic.crdt.index import PhotoIndex
from photonic.crdt.roster import ADMIN_SCOPES, MEMBER_SCOPES
from photonic.errors import EditInvalid, NotAllowed
from photonic.events import Audited, EventLog
from photonic.identity import Identity
from photonic.ids import member_subject, peer_id
from photonic.key_custody import KeyCustody
from photonic.layout import Layout
from photonic.world import World
from tests.crdt.replicas import certificate
from tests.memory_library import HERE, LIBRARY_ID, NAMES, THERE, MemoryLibrary

BOUND_S = 10.0


class Desk:
    """A library with the custody of its keys, and what that announced."""

    def __init__(self, folder: Path, scopes: tuple[str, ...] = ADMIN_SCOPES) -> None:
        self.library = MemoryLibrary(here_scopes=scopes)
        self.events, self.layout = EventLog(), Layout(folder)
        Identity.load_or_create(self.layout.node_key, World(), self.layout.vault)
        self.custody = KeyCustody(
            self.library, PhotoIndex(None), HERE, World(), self._hear, NAMES.get, self.layout,
            LIBRARY_ID,
        )  # fmt: skip
        self.told: list[Audited] = []
        self._news = trio.Event()
        self.library.on_commit = lambda committed: (
            self.custody.note() if committed.roster_changed or committed.keys_changed else None
        )

    def _hear(self, event: object) -> None:
        if isinstance(event, Audited):
            self.told.append(event)
            self._news.set()

    async def wait_told(self, act: str, count: int = 1) -> None:
        with trio.fail_after(BOUND_S):
            while sum(one.act == act for one in self.told) < count:
                self._news = trio.Event()
                await self._news.wait()

    def acts(self) -> list[str]:
        return [event.act for event in self.told]


def run(test: Callable[[Desk], Awaitable[None]], desk: Desk) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.custody.run)
            await test(desk)
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_the_first_key_is_made_and_given_and_a_revocation_makes_another(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        await desk.wait_told("key.given", 3)
        assert desk.acts() == ["key.created", *["key.given"] * 3]  # two members, the authority
        before = await desk.custody.view()
        assert {one.name for one in before.keys[0].holders} >= {"studio", "field"}
        assert before.lacking == [] and before.keys[0].current and before.keys[0].here
        desk.library.write(Draft(member_subject(THERE), {REVOKED: 0}))
        await desk.wait_told("key.rotated")
        after = await desk.custody.view()
        assert [key.number for key in after.keys] == [2, 1]
        assert peer_id(THERE) not in {one.id for one in after.keys[0].holders}
        (rotated,) = [one for one in desk.told if one.act == "key.rotated"]
        assert "revoked" in rotated.facts["reason"]

    run(test, Desk(tmp_path))


def test_who_comes_later_is_given_the_key(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        await desk.wait_told("key.given", 3)
        late = Identity.generate(World()).node
        desk.library.write(certificate(late))
        await desk.wait_told("key.given", 4)
        assert desk.told[-1].facts == {"to": peer_id(late)}

    run(test, Desk(tmp_path))


def test_no_secret_is_ever_told(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        await desk.wait_told("key.given", 3)
        await desk.custody.rotate()
        secrets = list(desk.library.catalog.keys.here.values())
        assert len(secrets) == 2
        view = repr(await desk.custody.view()) + repr(desk.told)
        view += repr(desk.library.catalog.keys) + repr(desk.library.catalog.sealing)
        for secret in secrets:
            assert secret.hex() not in view and repr(secret) not in view

    run(test, Desk(tmp_path))


def test_a_node_that_is_no_admin_makes_none_and_says_so(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        with pytest.raises(NotAllowed):
            await desk.custody.rotate()
        with pytest.raises(NotAllowed):
            await desk.custody.seal_fields([])
        with pytest.raises(EditInvalid):
            await desk.custody.seal_fields(["rating"])
        assert desk.told == [] and (await desk.custody.view()).keys == []

    run(test, Desk(tmp_path, MEMBER_SCOPES))


def test_it_says_how_this_node_keeps_its_keys(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        (file,) = (await desk.custody.view()).files
        assert (file.secret, file.kept) == ("node", "file")

    run(test, Desk(tmp_path))
