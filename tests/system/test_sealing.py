"""Sealing from outside: what stands in a home folder's files, and what a sealed archive shows."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import httpx
import pytest

from photonic.ingest.samples import make_samples
from photonic.layout import Layout
from simulations.daemons import Daemon, daemons, photonic

EDITED = {"latitude": 64.1472093, "longitude": -21.9424091}
COUNT = 24


def place_query() -> str:
    return "place:64,-22..64.3,-21.8"


def found(node: Daemon, query: str) -> set[str]:
    return {photo["id"] for photo in node.get("/photos", q=query)["items"]}


def import_with_places(node: Daemon, folder: Path) -> tuple[dict[str, dict[str, float]], str]:
    """Take photos in, and set the place of one; return what files say of places, and its id."""
    make_samples(folder, COUNT)
    photonic(node.home, "import", str(folder))
    places = {}
    for photo in node.photos():
        position = node.get(f"/photos/{photo}")["facts"].get("position")
        if position is not None:
            places[photo] = position
    assert len(places) > 3, "some of the samples say where they were taken"
    edited = next(iter(node.photos()))
    node.send("PATCH", f"/photos/{edited}", {"gps": EDITED})
    return places, edited


def traces(places: list[dict[str, float]]) -> set[bytes]:
    """Return degrees in every way in which photonic writes numbers."""
    words: set[bytes] = set()
    for place in places:
        for value in (place["latitude"], place["longitude"]):
            words |= {struct.pack(order + "d", value) for order in "<>"}
            words |= {repr(value).encode(), f"{value:.6f}".encode(), json.dumps(value).encode()}
    return words


def files_with(home: Path, words: set[bytes]) -> set[str]:
    """Return the files of a home folder, but for stored photos, in which any of the words is."""
    told: set[str] = set()
    for path in home.rglob("*"):
        inside = path.relative_to(home)
        if path.is_file() and inside.parts[0] != "blobs":
            data = path.read_bytes()
            if any(word in data for word in words):
                told.add(str(inside))
    return told


@pytest.mark.parametrize("is_sealed", [True, False])
def test_no_file_of_a_home_has_a_place_in_the_clear_unless_the_policy_says_so(
    tmp_path: Path, is_sealed: bool
) -> None:
    with daemons(tmp_path / "home") as (node,):
        node.start("--log-level", "debug")
        if not is_sealed:
            photonic(node.home, "keys", "seal")
        places, edited = import_with_places(node, tmp_path / "samples")
        words = traces([*places.values(), EDITED])
        assert found(node, place_query()) >= {edited}
        assert len(found(node, "has:place")) >= len(places)
        while_it_runs = files_with(node.home, words)
        node.stop()
        told = while_it_runs | files_with(node.home, words)
        if is_sealed:
            assert told == set()
        else:
            assert any("journal.db" in name for name in told)
            assert any("directory.db" in name for name in told)
        assert not any("index.db" in name for name in told), "the index has none either way"
        node.start()
        assert found(node, place_query()) >= {edited}, "memory is built from what is sealed"


def test_a_sealed_archive_keeps_and_serves_what_it_cannot_read(tmp_path: Path) -> None:
    homes = (tmp_path / "studio", tmp_path / "archive", tmp_path / "laptop")
    with daemons(*homes) as (studio, archive, laptop):
        studio.start()
        places, edited = import_with_places(studio, tmp_path / "samples")
        code = photonic(studio.home, "invite", "--role", "archive", "--sealed").stdout.strip()
        photonic(archive.home, "join", code)
        archive.role = "archive"
        archive.start("--peer", studio.listen[0])
        archive.wait_until(lambda: archive.status()["holdings"]["held"] == COUNT)
        words = traces([*places.values(), EDITED])
        detail = archive.get(f"/photos/{edited}")
        assert detail["fields"]["gps"]["value"] is None and detail["sealed"] == ["gps"]
        assert detail["conflicts"] == [] and "position" not in detail["facts"]
        assert found(archive, "has:place") == found(archive, place_query()) == set()
        assert archive.get("/keys")["unread"] == len(places | {edited: EDITED})
        assert archive.get("/keys")["keys"][0]["here"] is False
        photo = archive.send("PATCH", f"/photos/{edited}", {"rating": 4})
        assert photo["rating"] == 4

        # A member that may read, and meets the archive alone, reads all of it.
        code = photonic(studio.home, "invite", "--role", "mobile").stdout.strip()
        photonic(laptop.home, "join", code)
        archive.wait_until(lambda: len(archive.get("/peers")["items"]) == 2)
        studio.stop()
        laptop.start("--peer", archive.listen[0])
        laptop.wait_until(lambda: laptop.status()["photos"] == COUNT)
        laptop.wait_until(lambda: found(laptop, place_query()) >= {edited})
        shown = laptop.get(f"/photos/{edited}")
        assert shown["fields"]["gps"]["value"]["latitude"] == EDITED["latitude"]
        assert shown["rating"] == 4 and shown["sealed"] == []
        archive.stop()
        assert files_with(archive.home, words) == set()


def test_keys_are_shown_and_rotated_and_never_told(tmp_path: Path) -> None:
    with daemons(tmp_path / "a", tmp_path / "b") as (first, second):
        first.start()
        code = photonic(first.home, "invite", "--role", "archive", "--sealed").stdout.strip()
        photonic(second.home, "join", code)
        second.start("--peer", first.listen[0])
        first.wait_until(lambda: first.status()["peers"] == 1)
        before = first.get("/keys")
        shown = photonic(first.home, "keys").stdout
        assert before["keys"][0]["name"][:8] in shown and "sealed: gps" in shown
        photonic(first.home, "keys", "rotate")
        after = json.loads(photonic(first.home, "--json", "keys").stdout)
        assert [key["number"] for key in after["keys"]] == [2, 1]
        assert after["keys"][0]["current"] and not after["keys"][1]["current"]
        second.wait_until(lambda: len(second.get("/keys")["keys"]) == 2)
        with pytest.raises(httpx.HTTPStatusError):
            second.send("POST", "/keys/rotate", {})  # it is no admin
        secret = (first.home / "keys" / "node").read_bytes().hex()
        assert secret not in json.dumps(after)


def test_a_node_under_a_passphrase_starts_with_it_and_not_without(tmp_path: Path) -> None:
    with daemons(tmp_path / "home") as (node,):
        node.start()
        identity = node.status()["node"]["id"]
        told = photonic(node.home, "keys", "passphrase", check=False)
        assert told.returncode == 12, "its node runs"
        node.stop()
        seed = (node.home / "keys" / "node").read_bytes()
        told = photonic(node.home, "keys", "passphrase", check=False)
        assert told.returncode == 108, "no terminal asks for a new one"
        (tmp_path / "word").write_text("correct horse\n")
        command = f"cat {tmp_path / 'word'}"
        _protect(node.home, "correct horse")
        assert seed not in (node.home / "keys" / "node").read_bytes()
        (node.home / "keys" / "node").chmod(0o644)
        node.start("--passphrase-command", command)
        assert [one["code"] for one in node.status()["problems"]] == ["keys.exposed"]
        assert (node.home / "keys" / "node").stat().st_mode & 0o777 == 0o600
        assert node.status()["node"]["id"] == identity
        assert [one["kept"] for one in node.get("/keys")["files"]] == ["passphrase"] * 2
        node.stop()
        for word, status in (("wrong", 109), ("", 108)):
            (tmp_path / "word").write_text(word)
            refused = photonic(node.home, "node", "--passphrase-command", command, check=False)
            assert refused.returncode == status and "Traceback" not in refused.stderr
        (tmp_path / "word").write_text("correct horse")
        (node.home / "photonic.yaml").write_text(f"passphrase_command: {command}\n")
        photonic(node.home, "keys", "passphrase", "--remove")
        assert (node.home / "keys" / "node").read_bytes() == seed


def _protect(home: Path, passphrase: str) -> None:
    """As `photonic keys passphrase` does at a terminal: tests/cli/test_keys.py asks one."""
    Layout(home).vault.protect(passphrase)
