"""The audit log: nothing in it changes unnoticed, a crash costs nothing durable, nobody waits."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import audit, limits
from photonic.audit import Mark
from photonic.audit_log import AuditLog
from photonic.audit_views import AuditPage, AuditVerdict
from photonic.errors import QueryInvalid
from photonic.identity import Identity
from photonic.problems import Problems
from photonic.world import World
from tests.source import ROOT

ME = Identity(bytes(32))
THIEF = Identity(b"\1" * 32)
Work = Callable[[AuditLog], Awaitable[None]]


def with_log(folder: Path, work: Work, identity: Identity = ME) -> Problems:
    """Open the log of a node, do `work`, and close it."""
    problems = Problems()

    async def main() -> None:
        log = AuditLog(folder, identity, World(), problems)
        await log.open()
        await work(log)
        await log.close()

    trio.run(main)
    return problems


def written(folder: Path, count: int, identity: Identity = ME) -> Path:
    async def work(log: AuditLog) -> None:
        for number in range(count):
            log.record("test.act", {"number": str(number)})
            await log.flush()

    with_log(folder, work, identity)
    return folder


def lines(folder: Path) -> list[bytes]:
    return [line for path in audit.files_in(folder) for line in audit.lines_of(path)]


def acts(folder: Path) -> list[str]:
    entries = [audit.read_line(line) for line in lines(folder)]
    return [entry.act for entry in entries if entry is not None]


def verdict(folder: Path, end: Mark | None = None) -> AuditVerdict:
    return audit.verify(folder, ME.node, end)


def test_what_is_recorded_is_there_signed_and_sound(tmp_path: Path) -> None:
    told = verdict(written(tmp_path / "log", 5))
    assert told.sound and told.problem is None
    assert (told.entries, told.first, told.last, told.signed_to) == (6, 1, 6, 5)
    assert acts(tmp_path / "log") == ["test.act"] * 5 + [audit.SIGNED]
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o700
    assert audit.files_in(tmp_path / "log")[0].stat().st_mode & 0o777 == 0o600


def test_an_empty_log_is_sound(tmp_path: Path) -> None:
    assert verdict(tmp_path / "none").sound


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("original") / "log", 40)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_change_of_signed_entries_goes_unnoticed(original: Path, data: st.DataObject) -> None:
    folder = original.parent / "changed"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(original, folder)
    (path,) = audit.files_in(folder)
    old = list(audit.lines_of(path))
    kind = data.draw(st.sampled_from(["byte", "drop", "swap", "repeat", "cut", "rechain"]))
    at = data.draw(st.integers(0, len(old) - 2))
    new = list(old)
    match kind:
        case "byte":
            place = data.draw(st.integers(0, len(old[at]) - 1))
            changed = bytearray(old[at])
            changed[place] ^= data.draw(st.integers(1, 255))
            new[at] = bytes(changed)
        case "drop":
            del new[at]
        case "swap":
            new[at], new[at + 1] = new[at + 1], new[at]
        case "repeat":
            new.insert(at, old[at])
        case "cut":
            del new[at:]
        case "rechain":  # by somebody who knows how, and has not the key
            mark, new = audit.beginning(ME.node), []
            for number, line in enumerate(old):
                entry = audit.read_line(line)
                assert entry is not None
                facts = {"number": "666"} if number == at else entry.facts
                again = audit.entry_after(mark, entry.at, entry.act, facts)
                new.append(audit.line_of(again))
                mark = Mark(again.n, again.chain)
    path.write_bytes(b"".join(new))
    assert not verdict(folder).sound


def test_another_key_signs_nothing_of_ours(tmp_path: Path) -> None:
    written(tmp_path / "log", 40, THIEF)
    told = verdict(tmp_path / "log")
    assert not told.sound and told.signed_to == 0


@pytest.mark.parametrize("keeps_signatures", [True, False])
def test_a_log_made_anew_without_the_key_is_none(
    original: Path, tmp_path: Path, keeps_signatures: bool
) -> None:
    """By somebody who knows the format, and takes the note of the last signature away, too."""
    folder = tmp_path / "forged"
    folder.mkdir()
    mark, made = audit.beginning(ME.node), b""
    for line in lines(original):
        entry = audit.read_line(line)
        assert entry is not None
        if entry.act == audit.SIGNED and not keeps_signatures:
            continue
        facts = {"number": "666"} if entry.n == 5 else entry.facts
        again = audit.entry_after(mark, entry.at, entry.act, facts)
        made, mark = made + audit.line_of(again), Mark(again.n, again.chain)
    audit.file_from(folder, 1).write_bytes(made)
    told = verdict(folder)
    assert not told.sound and told.signed_to == 0
    assert ("is no signature" if keeps_signatures else "no signature") in (told.problem or "")


def test_what_is_after_the_last_signature_is_told_as_unsigned(tmp_path: Path) -> None:
    async def work(log: AuditLog) -> None:
        for _ in range(limits.AUDIT_SIGN_EVERY):
            log.record("test.act", {})
        await log.flush()
        log.record("test.act", {"late": "1"})
        await log.flush()
        told = verdict(tmp_path / "log")
        assert told.sound
        assert (told.last, told.signed_to) == (limits.AUDIT_SIGN_EVERY + 2, limits.AUDIT_SIGN_EVERY)

    with_log(tmp_path / "log", work)


def test_the_running_node_notices_an_end_that_is_cut_off_or_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "log"

    async def work(log: AuditLog) -> None:
        for _ in range(3):
            log.record("test.act", {})
        await log.flush()
        assert (await log.verify()).sound
        (path,) = audit.files_in(folder)
        whole = path.read_bytes()
        path.write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))
        (folder / audit.HEAD).unlink()
        told = await log.verify()
        assert not told.sound and "ends with entry 2" in (told.problem or "")

    problems = with_log(folder, work)
    assert [one.code for one in problems.list()] == ["audit.broken"]


def test_a_signed_end_that_is_cut_off_while_the_node_is_down_is_told_at_the_start(
    tmp_path: Path,
) -> None:
    folder = written(tmp_path / "log", 5)
    (path,) = audit.files_in(folder)
    path.write_bytes(b"".join(lines(folder)[:2]))
    assert "until entry 5" in (verdict(folder).problem or "")

    async def nothing(log: AuditLog) -> None:
        pass

    problems = with_log(folder, nothing)
    assert "signed until entry 5" in problems.list()[0].message
    assert "audit.broken" in acts(folder)


def test_a_torn_tail_is_kept_told_and_the_log_goes_on(tmp_path: Path) -> None:
    folder = written(tmp_path / "log", 3)
    (path,) = audit.files_in(folder)
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    (folder / audit.HEAD).unlink()  # it is written after the log, so a crash leaves no newer one

    async def nothing(log: AuditLog) -> None:
        pass

    for tail in (last[:1], last[: len(last) // 2], last[:-1], b"\0" * 4096):
        there = tmp_path / f"torn-{len(tail)}"
        shutil.copytree(folder, there)
        (there / path.name).write_bytes(whole[: -len(last)] + tail)
        problems = with_log(there, nothing)
        assert not problems.list()
        told = verdict(there)
        assert told.sound and told.torn == 1
        entries = [audit.read_line(line) for line in lines(there)]
        torn = [entry for entry in entries if entry and entry.act == "audit.torn"]
        assert [entry.facts["bytes"] for entry in torn] == [str(len(tail))]
        assert (there / torn[0].facts["kept"]).read_bytes() == tail


def test_tampering_is_not_repaired_away(tmp_path: Path) -> None:
    folder = written(tmp_path / "log", 5)
    (path,) = audit.files_in(folder)
    path.write_bytes(path.read_bytes().replace(b'"number":"2"', b'"number":"9"'))

    async def more(log: AuditLog) -> None:
        log.record("test.act", {})

    problems = with_log(folder, more)
    assert "entry 3" in problems.list()[0].message
    assert acts(folder)[6:] == ["audit.broken", "test.act", audit.SIGNED]
    assert "entry 3" in (verdict(folder).problem or "")


def test_kills_lose_nothing_that_was_durable(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    durable = 0
    for kill in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-m", "tests.audit_writer", str(folder)],
            stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert writer.stdout is not None
        for _ in range(3 + kill * 7):
            durable = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().splitlines()
        writer.wait()
        writer.stdout.close()
        durable = int(rest[-1]) if rest and rest[-1].isdigit() else durable
        told = verdict(folder)
        assert told.last >= durable
        assert told.sound or "cannot be read" in (told.problem or "")  # a torn line, until ...

        async def nothing(log: AuditLog) -> None:
            pass

        with_log(folder, nothing)
        assert verdict(folder).sound  # ... the next start


def test_files_rotate_in_one_chain_and_the_oldest_go_openly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "AUDIT_FILE_BYTES_MAX", 2_000)
    monkeypatch.setattr(limits, "AUDIT_FILES_MAX", 3)
    folder = written(tmp_path / "log", 60)
    files = audit.files_in(folder)
    assert len(files) == 3
    told = verdict(folder)
    assert told.sound and told.first == int(files[0].stem) > 1
    written(folder, 5)  # and over restarts
    assert verdict(folder).sound
    middle = audit.files_in(folder)[1]
    kept = middle.read_bytes()
    middle.unlink()
    assert "is missing" in (verdict(folder).problem or "")
    middle.write_bytes(kept)
    audit.files_in(folder)[0].unlink()
    assert "no entry says" in (verdict(folder).problem or "")


def test_pages_walk_all_entries_once_the_latest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "AUDIT_FILE_BYTES_MAX", 3_000)

    async def work(log: AuditLog) -> None:
        for number in range(60):
            log.record("photos.trashed" if number % 3 else "member.changed", {"n": str(number)})
            await log.flush()
        for act, scanned in (
            ("", 50_000),
            ("photos", 50_000),
            ("photos", 5),
            ("member.changed", 9),
        ):
            monkeypatch.setattr(limits, "AUDIT_SCANNED_MAX", scanned)
            found: list[int] = []
            cursor: str | None = None
            while True:
                page: AuditPage = await log.page(7, cursor, act)
                assert len(page.items) <= 7
                found += [entry.n for entry in page.items]
                assert all(not act or entry.act.startswith(act) for entry in page.items)
                cursor = page.next
                if cursor is None:
                    break
            entries = [audit.read_line(line) for line in lines(tmp_path / "log")]
            wanted = [e.n for e in entries if e and (not act or e.act.startswith(act))]
            assert found == sorted(wanted, reverse=True)
        for bad in ("x", "-1", "1" * 40, "²"):
            with pytest.raises(QueryInvalid):
                await log.page(7, bad, "")

    with_log(tmp_path / "log", work)


def test_secrets_do_not_get_in_and_facts_are_bounded(tmp_path: Path) -> None:
    async def work(log: AuditLog) -> None:
        log.record("a" * 500, {"token": "s3cret", "password": "s3cret", "long": "x" * 10_000})
        log.record("b", {str(number): "\n\u202e" * 600 for number in range(100)})
        log.record("c", {"broken": "\ud800"})

    with_log(tmp_path / "log", work)
    data = b"".join(lines(tmp_path / "log"))
    assert b"s3cret" not in data and len(data) < 3 * limits.AUDIT_LINE_BYTES_MAX
    assert verdict(tmp_path / "log").sound


def test_a_flood_is_counted_and_nobody_waits(tmp_path: Path) -> None:
    async def work(log: AuditLog) -> None:
        for _ in range(limits.AUDIT_PENDING_MAX + 500):
            log.record("flood", {})
        await log.flush()

    with_log(tmp_path / "log", work)
    entries = [audit.read_line(line) for line in lines(tmp_path / "log")]
    told = [entry for entry in entries if entry and entry.act == "audit.overflowed"]
    assert [entry.facts for entry in told] == [{"lost": "500"}]
    assert len([entry for entry in entries if entry and entry.act == "flood"]) == (
        limits.AUDIT_PENDING_MAX
    )


def test_a_disk_that_refuses_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(log: AuditLog) -> None:
        log.record("first", {})
        await log.flush()
        log.record("second", {})
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", partial(_refuse))
            with pytest.raises(OSError, match="full"):
                await log.flush()
        assert verdict(tmp_path / "log").sound
        await log.flush()

    with_log(tmp_path / "log", work)
    assert acts(tmp_path / "log") == ["first", "second", audit.SIGNED]


def _refuse(handle: int) -> None:
    raise OSError(28, "the disk is full")


def test_other_settings_are_told_at_the_next_start(tmp_path: Path) -> None:
    for given_ in (b"one", b"one", b"two"):

        async def start(log: AuditLog, given_: bytes = given_) -> None:
            log.begin("1.0", given_)

        with_log(tmp_path / "log", start)
    assert acts(tmp_path / "log").count("settings.changed") == 1


def test_a_line_of_the_format_reads_as_documented(tmp_path: Path) -> None:
    first = msgspec.json.decode(lines(written(tmp_path / "log", 1))[0])
    assert list(first) == ["n", "at", "act", "facts", "chain"]
