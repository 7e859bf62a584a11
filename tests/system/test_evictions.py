"""A small buffer, from outside: more is shot than it holds, and nothing is on too few disks.

Three daemons. What counts is what the files on the disks hash to, not what any node says.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path

from blake3 import blake3
from PIL import Image

from simulations.daemons import Daemon, daemons, join, photonic

BUFFER_BYTES = 32 << 20  # the least that may be set
SHOTS, SHOT_BYTES = 44, 1 << 20
HIGH, LOW = 80, 50
MIN_COPIES = 2


def shoot(folder: Path, numbers: Iterable[int]) -> list[str]:
    """Make photos of a megabyte with small previews; return what they hash to."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number in numbers:
        path = folder / f"shot{number:03}.jpg"
        Image.new("RGB", (640, 480), (number, 90, 200 - number)).save(path, quality=90)
        with path.open("ab") as file:  # behind its end, as some cameras write
            file.write(random.Random(number).randbytes(SHOT_BYTES))
        made.append(blake3(path.read_bytes()).hexdigest())
    return made


def on_disk(node: Daemon) -> set[str]:
    """Return what the files of a node's store hash to, read from outside."""
    found = set()
    for path in (node.home / "blobs" / "blobs").rglob("*"):
        try:
            if path.is_file():
                found.add(blake3(path.read_bytes()).hexdigest())
        except FileNotFoundError:
            continue  # it went meanwhile
    return found


def is_settled(node: Daemon, count: int) -> bool:
    status = node.status()
    return bool(
        status["photos"] == count
        and status["buffer"]["state"] == "calm"
        and status["buffer"]["used_bytes"] < status["buffer"]["high_bytes"]
        and all(one["finished"] for one in status["imports"])
    )


def check_floor(shots: list[str], mobile: Daemon, others: list[Daemon]) -> set[str]:
    """Every photo that left the mobile node is on enough others; return those that did."""
    here = on_disk(mobile)
    there = [on_disk(node) for node in others]
    gone = {shot for shot in shots if shot not in here}
    for shot in gone:
        assert sum(shot in some for some in there) >= MIN_COPIES, shot
    return gone


def test_more_is_shot_than_the_buffer_holds(tmp_path: Path) -> None:
    homes = (tmp_path / name for name in ("mobile", "central", "archive"))
    with daemons(*homes) as (mobile, central, archive):
        mobile.role, archive.role = "mobile", "archive"
        central.start()
        join(central, mobile, "mobile")
        join(central, archive, "archive")
        archive.start("--peer", central.listen[0])
        mobile.start(
            "--peer", central.listen[0], "--peer", archive.listen[0],
            "--quota-bytes", str(BUFFER_BYTES),
            "--buffer-high", str(HIGH), "--buffer-low", str(LOW),
        )  # fmt: skip
        mobile.wait_until(lambda: bool(mobile.status()["peers"] == 2), 30)
        shots = shoot(tmp_path / "card", range(SHOTS))
        total_bytes = sum(path.stat().st_size for path in (tmp_path / "card").iterdir())
        assert total_bytes > 1.2 * BUFFER_BYTES
        mobile.send("POST", "/imports", {"folder": str(tmp_path / "card")})
        mobile.wait_until(lambda: is_settled(mobile, SHOTS), 60)
        gone = check_floor(shots, mobile, [central, archive])
        assert len(gone) > SHOTS / 4
        assert mobile.status()["buffer"]["evicted"] == len(gone)
        # Who opens one that went gets its very bytes, and it is here again.
        opened = sorted(gone)[0]
        assert blake3(mobile.bytes(f"/photos/{opened}/original")).hexdigest() == opened
        assert opened in on_disk(mobile)
        # Each eviction is in the log with who promised; and the log is in order.
        entries = mobile.get("/audit", act="blob.evicted", limit=200)["items"]
        assert {one["facts"]["blob"] for one in entries} == gone
        assert all(one["facts"]["promises"] == str(MIN_COPIES) for one in entries)
        # With nobody there, nothing goes, and it is said why.
        for node in (central, archive):
            node.stop()
        mobile.wait_until(lambda: bool(mobile.status()["peers"] == 0), 30)
        told = json.loads(photonic(mobile.home, "--json", "evict", "10MB", "--now").stdout)
        assert told["going"] == []
        assert "0 of 2 nodes" in told["staying"][-1]["lacks"]
        assert check_floor(shots, mobile, [central, archive]) == gone - {opened}
