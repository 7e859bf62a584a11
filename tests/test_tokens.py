"""Tokens: only hashes are kept, durably; what is revoked or expired is worth nothing."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.errors import HomeUnusable, RequestInvalid, TokenUnknown
from photonic.scopes import ADMIN_SCOPES
from photonic.tokens import PREFIX, TokenBook
from photonic.world import SystemFiles, World

READ = ["catalog.read"]
DAY_S = 86_400


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.ms

    def monotonic_s(self) -> float:
        return self.ms / 1000


class FullDisk(SystemFiles):
    """A disk that is full when it is said to be."""

    is_full = False
    writes = 0

    def write_durable(self, path: Path, data: bytes, *, mode: int = 0o600) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "no space left on device")
        self.writes += 1
        super().write_durable(path, data, mode=mode)


class Kept:
    """A book in a folder, with its clock and its disk; `again` is what a restart reads."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.disk, self.file = Clock(), FullDisk(), folder / "tokens.json"
        self.world = dataclasses.replace(World(), clock=self.clock, files=self.disk)
        self.book = self.again()

    def again(self) -> TokenBook:
        return TokenBook(self.file, self.world)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def run(test: Callable[[], Awaitable[None]]) -> None:
    trio.run(test)


def test_only_a_hash_is_kept_and_a_restart_knows_it(kept: Kept) -> None:
    async def main() -> None:
        token, text = await kept.book.create("phone", READ, DAY_S)
        assert text.startswith(PREFIX) and len(text) == len(PREFIX) + 43
        written = kept.file.read_bytes()
        assert text.encode() not in written and text[len(PREFIX) :].encode() not in written
        assert kept.file.stat().st_mode & 0o077 == 0
        assert kept.book.find(text) == kept.again().find(text) == token
        assert text not in repr(token)

    run(main)


@given(st.text(max_size=80))
def test_nothing_else_is_a_token(text: str) -> None:
    async def main() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FullDisk, "write_durable", lambda *_, **__: None)
            book = Kept(Path("/nonexistent")).book
            _, right = await book.create("phone", READ, DAY_S)
            for wrong in (text, right[:-1], right + text[:1] + "=", right.upper(), right + " "):
                assert book.find(wrong) is None

    run(main)


def test_a_token_ends_when_it_said_and_with_the_one_that_made_it(kept: Kept) -> None:
    async def main() -> None:
        maker, made_by = await kept.book.create("admin", ADMIN_SCOPES, DAY_S)
        child, text = await kept.book.create("child", READ, 90 * DAY_S, maker)
        assert child.expires_ms == maker.expires_ms
        kept.clock.ms += DAY_S * 1000 - 1
        assert kept.book.find(text) and kept.book.find(made_by)
        kept.clock.ms += 1
        assert kept.book.find(text) is kept.book.find(made_by) is kept.book.get(child.id) is None

    run(main)


def test_revoking_takes_along_what_was_made_with_it_and_nothing_else(kept: Kept) -> None:
    async def main() -> None:
        admin, _ = await kept.book.create("admin", ADMIN_SCOPES, DAY_S)
        child, _ = await kept.book.create("child", ADMIN_SCOPES, DAY_S, admin)
        _, grandchild = await kept.book.create("grandchild", READ, DAY_S, child)
        _, other = await kept.book.create("other", READ, DAY_S)
        gone = await kept.book.revoke(admin.id)
        assert {token.name for token in gone} == {"admin", "child", "grandchild"}
        for book in (kept.book, kept.again()):
            assert book.find(grandchild) is None and book.find(other)
        with pytest.raises(TokenUnknown):
            await kept.book.revoke(admin.id)
        with pytest.raises(TokenUnknown):
            await kept.book.create("late", READ, DAY_S, admin)

    run(main)


def test_a_full_disk_makes_no_token_and_still_revokes(kept: Kept) -> None:
    async def main() -> None:
        token, text = await kept.book.create("phone", READ, DAY_S)
        kept.disk.is_full = True
        with pytest.raises(HomeUnusable, match="no space"):
            await kept.book.create("tablet", READ, DAY_S)
        assert [one.name for one in kept.book.list()] == ["phone"]
        await kept.book.note_use(token)  # keeps nobody out
        with pytest.raises(HomeUnusable):
            await kept.book.revoke(token.id)
        assert kept.book.find(text) is None

    run(main)


def test_the_last_use_is_kept_now_and_then_and_brings_nothing_back(kept: Kept) -> None:
    async def main() -> None:
        token, _ = await kept.book.create("phone", READ, DAY_S)
        before = kept.disk.writes
        for _ in range(50):
            await kept.book.note_use(token)
        assert kept.disk.writes == before + 1
        assert kept.again().list()[0].used_ms == kept.clock.ms
        kept.clock.ms += limits.TOKEN_USE_KEPT_S * 1000
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kept.book.revoke, token.id)
            nursery.start_soon(kept.book.note_use, token)
        assert kept.book.list() == kept.again().list() == []

    run(main)


@pytest.mark.parametrize(
    ("name", "scopes", "ttl_s"),
    [
        ("", READ, DAY_S),
        ("x" * 65, READ, DAY_S),
        ("bell\x07", READ, DAY_S),
        ("phone", [], DAY_S),
        ("phone", ["catalog.everything"], DAY_S),
        ("phone", READ, 0),
        ("phone", READ, limits.TOKEN_TTL_S_MAX + 1),
    ],
)
def test_a_wish_that_cannot_be_is_refused(
    kept: Kept, name: str, scopes: list[str], ttl_s: int
) -> None:
    async def main() -> None:
        with pytest.raises(RequestInvalid):
            await kept.book.create(name, scopes, ttl_s)
        assert not kept.file.exists()

    run(main)


def test_there_are_no_more_than_may_be_and_expired_ones_make_room(kept: Kept) -> None:
    async def main() -> None:
        for number in range(limits.TOKENS_MAX):
            await kept.book.create(f"t{number}", READ, DAY_S)
        with pytest.raises(RequestInvalid, match="revoke one"):
            await kept.book.create("more", READ, DAY_S)
        kept.clock.ms += DAY_S * 1000
        await kept.book.create("more", READ, DAY_S)
        assert [token.name for token in kept.book.list()] == ["more"]

    run(main)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'[{"id": 1}]'])
def test_a_file_that_cannot_be_read_is_no_empty_list(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokens.json").write_bytes(content)
    with pytest.raises(HomeUnusable):
        Kept(tmp_path)
