"""Files and disks that are not as they should be: told, nothing lost, everything else ingested."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulations.daemons import Daemon, daemons, join, photonic
from tests.cameras import make_camera_files


def codes(node: Daemon) -> dict[str, str]:
    """Return the code of each problem by the name of its file."""
    return {Path(p["path"] or "").name: p["code"] for p in node.status()["problems"]}


def test_bad_files_are_told_and_the_others_are_taken_in(tmp_path: Path) -> None:
    folder = tmp_path / "card"
    good = len(make_camera_files(folder))
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("this is no picture")
    whole = next(path for path in folder.iterdir() if path.suffix == ".jpg" and _size(path) > 9_000)
    (folder / "torn.jpg").write_bytes(whole.read_bytes()[: _size(whole) // 2])
    odd = [
        "e\u0301te\u0301.jpg",
        "\u202egpj.txt.jpg",
        "a\nb.jpg",
        "\U0001f4f7.jpg",
        "x" * 240 + ".jpg",
    ]
    for number, name in enumerate(odd):
        (folder / name).write_bytes(whole.read_bytes() + bytes([number]))
    raw_name = os.fsencode(folder) + b"/caf\xe9.jpg"  # Latin-1, no UTF-8
    Path(os.fsdecode(raw_name)).write_bytes(whole.read_bytes() + b"\xff")

    with daemons(tmp_path / "a") as (node,):
        node.start()
        done = photonic(node.home, "--json", "import", str(folder), check=False)
        assert done.returncode != 0
        told = codes(node)
        assert told["empty.jpg"] == "ingest.file-empty"
        assert told["text.jpg"] == "ingest.unreadable"
        assert told["torn.jpg"] == "ingest.damaged"
        assert all(problem["fix"] for problem in node.status()["problems"])
        assert "empty.jpg" in node.errors()
        names = {item["name"] for item in node.photos().values()}
        assert {*odd, "text.jpg", "torn.jpg", "caf\ufffd.jpg"} <= names
        assert "empty.jpg" not in names
        assert len(names) >= good


def _size(path: Path) -> int:
    return path.stat().st_size


def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "card"
    make_camera_files(folder)
    closed = folder / "closed"
    closed.mkdir()
    closed.chmod(0)
    try:
        with daemons(tmp_path / "a") as (node,):
            if os.geteuid() == 0:  # root may read everything, unless it gives that up
                node.prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
            node.start()
            photonic(node.home, "import", str(folder), check=False)
            assert codes(node)["closed"] == "ingest.no-permission"
            assert node.status()["photos"] > 0
    finally:
        closed.chmod(0o700)


def test_a_file_still_being_written_is_told_and_taken_in_when_it_stands_still(
    tmp_path: Path,
) -> None:
    folder, ready = tmp_path / "card", tmp_path / "ready"
    folder.mkdir()
    make_camera_files(ready)
    source = next(path for path in ready.iterdir() if path.suffix == ".jpg" and _size(path) > 9_000)
    data = source.read_bytes()
    with daemons(tmp_path / "a") as (node,):
        node.start("--watch", str(folder))
        with (folder / "slow.jpg").open("wb", buffering=0) as slow:
            sent = 0

            def is_told() -> bool:
                nonlocal sent
                slow.write(data[sent : sent + 16])  # it grows whenever we look
                sent += 16
                return codes(node).get("slow.jpg") == "ingest.still-written"

            node.wait_until(is_told, 60)
            assert node.status()["photos"] == 0
            slow.write(data[sent:])
        node.wait_until(lambda: node.status()["photos"] == 1, 60)
        assert "slow.jpg" not in codes(node)
        (photo,) = node.photos()
        assert node.bytes(f"/photos/{photo}/original") == data


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 64 MB; needs root."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a small tmpfs needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_told_nothing_is_lost_and_it_goes_on_when_there_is_room(
    tmp_path: Path, small_disk: Path
) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    for number in range(8):
        (folder / f"IMG_{number}.CR3").write_bytes(os.urandom(10_000_000))
    with daemons(small_disk / "a") as (node,):
        node.start()
        photonic(node.home, "import", str(folder), check=False)
        problems = {problem["code"] for problem in node.status()["problems"]}
        assert "blobs.store-full" in problems
        assert node.status()["node"]["state"] == "error"
        held = node.status()["holdings"]["held"]
        assert 0 < held < 8
        for photo in node.photos():
            assert len(node.bytes(f"/photos/{photo}/original")) == 10_000_000
        subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
        node.wait_until(lambda: node.status()["holdings"]["held"] == 8, 60)
        node.wait_until(
            lambda: "blobs.store-full" not in {p["code"] for p in node.status()["problems"]}
        )


@pytest.mark.parametrize(("count", "size_bytes"), [(8, 10_000_000), (400, 200_000)])
def test_a_transfer_pauses_while_the_disk_is_full_and_goes_on_when_there_is_room(
    tmp_path: Path, small_disk: Path, count: int, size_bytes: int
) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    for number in range(count):
        (folder / f"IMG_{number}.CR3").write_bytes(os.urandom(size_bytes))
    with daemons(tmp_path / "a", small_disk / "b") as (holder, fetcher):
        holder.start()
        photonic(holder.home, "import", str(folder), check=False)
        join(holder, fetcher)
        fetcher.start("--peer", holder.listen[0])

        def is_full() -> bool:
            return "blobs.store-full" in {p["code"] for p in fetcher.status()["problems"]}

        fetcher.wait_until(is_full, 60)
        told = photonic(fetcher.home, "status").stdout
        assert "error," in told
        assert "problem: " in told and "are free" in told
        # What was begun has its room, and comes to its end.
        fetcher.wait_until(lambda: fetcher.status()["holdings"]["held"] > 0, 30)
        assert fetcher.status()["holdings"]["held"] < count
        assert fetcher.metrics()["photonic_bytes_in_total"] < count * size_bytes
        subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
        fetcher.wait_until(lambda: fetcher.status()["holdings"]["held"] == count, 60)
        fetcher.wait_until(lambda: not is_full(), 30)
        assert fetcher.status()["node"]["state"] != "error"
        assert fetcher.metrics()["photonic_bytes_in_total"] <= count * size_bytes, "stored twice"
        originals = {fetcher.bytes(f"/photos/{photo}/original") for photo in fetcher.photos()}
        assert originals == {path.read_bytes() for path in folder.iterdir()}
