"""From outside: a file that rots on one node is found, told, and its damaged part comes back."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from photonic.errors import VerificationFailed
from simulations.daemons import Daemon, daemons, join, photonic

EDGE_PX = 1_500


def make_photo(folder: Path) -> bytes:
    """Make a JPEG of several chunks."""
    folder.mkdir()
    noise = random.Random(1).randbytes(3 * EDGE_PX * EDGE_PX)
    Image.frombytes("RGB", (EDGE_PX, EDGE_PX), noise).save(folder / "a.jpg", quality=90)
    return (folder / "a.jpg").read_bytes()


def stored(node: Daemon, photo: str) -> Path:
    return node.home / "blobs" / "blobs" / photo[:2] / photo


def holds(node: Daemon, photo: str, holder: str) -> bool:
    """Whether a node believes that another one has the original."""
    holders = node.get(f"/photos/{photo}")["holders"]
    return bool({one["node"]: one["held"] for one in holders}[holder])


def flip(path: Path) -> None:
    """Change three bytes in the middle."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"rot")


def cut_short(path: Path) -> None:
    """Lose the last few bytes, as a file system may after a crash."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 10)


@pytest.mark.parametrize("damage", [flip, cut_short])
def test_a_mobile_node_gets_back_the_chunk_of_its_own_photo_that_is_damaged(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    data = make_photo(tmp_path / "camera")
    with daemons(tmp_path / "a", tmp_path / "b") as (studio, field):
        field.role = "mobile"
        studio.start()
        join(studio, field, role="mobile")
        field.start("--peer", studio.listen[0])
        photonic(field.home, "import", str(tmp_path / "camera"))
        (photo,) = field.photos()
        studio.wait_until(lambda: studio.status()["holdings"]["held"] == 1)
        assert photonic(field.home, "verify").stdout.rstrip().endswith(": all sound")
        me = field.status()["node"]["id"]
        studio.wait_until(lambda: holds(studio, photo, me))
        brought = field.metrics()["photonic_bytes_in_total"]
        port = studio.listen[0].split("/p2p/")[0]
        assert studio.stop() == 0

        path = stored(field, photo)
        path.chmod(0o600)
        damage(path)
        size_bytes = path.stat().st_size
        told = photonic(field.home, "verify", "name:a", check=False)
        assert told.returncode == VerificationFailed.exit_status
        assert f"damaged: a.jpg  {photo}" in told.stdout
        assert not holds(field, photo, me)
        assert not path.exists()
        assert (field.home / "blobs" / "damaged" / photo).stat().st_size == size_bytes
        doctor = {check["name"]: check for check in field.get("/doctor")["items"]}
        assert "1 are damaged" in doctor["stored files"]["detail"]
        assert doctor["blobs.damaged"]["ok"] is False

        studio.start("--listen", port)
        field.wait_until(lambda: field.status()["scrub"]["repaired"] == 1)
        assert path.read_bytes() == data
        assert field.bytes(f"/photos/{photo}/original") == data
        assert not (field.home / "blobs" / "damaged" / photo).exists()
        assert field.status()["problems"] == []
        assert holds(field, photo, me)
        studio.wait_until(lambda: holds(studio, photo, me))
        metrics = field.metrics()
        assert 0 < metrics["photonic_bytes_in_total"] - brought <= 1 << 20 < len(data)
        assert metrics["photonic_blobs_damaged_total"] == 1
        assert metrics["photonic_blobs_repaired_total"] == 1
        assert metrics["photonic_blobs_waiting_for_repair"] == 0
        assert photonic(field.home, "verify").stdout.rstrip().endswith(": all sound")
        shown = next(h for h in field.get(f"/photos/{photo}")["holders"] if h["node"] == me)
        assert shown["verified_at"] > "2024"
