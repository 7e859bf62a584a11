"""An archive's folder alone, on a machine that never met the library, restores everything."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from photonic.blobs.shelf import final_path
from photonic.crdt.catalog import Catalog
from photonic.errors import RestoreIncomplete
from photonic.identity import Identity
from photonic.ids import BlobId, LibraryId
from photonic.journal.journal import Journal
from photonic.world import World
from simulations.daemons import READY_WITHIN_S, Daemon, daemons, photonic
from tests.source import ROOT
from tests.system.archive_story import PLACE, Left, live, records, sha256, snapshot

STEMS = ("changes", "albums", "members", "policies")


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    return live(tmp_path_factory.mktemp("life"))


def restore(home: Path, *words: str, check: bool = True) -> dict[str, Any]:
    done = photonic(home, "--json", "restore", *words, check=False)
    assert (done.returncode == 0) or not check, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    if not told["whole"]:
        assert done.returncode == RestoreIncomplete.exit_status
    return told


def digest_of(left: Left, scratch: Path) -> str:
    """Return what the archive's own catalog adds up to."""
    shutil.copytree(left.home / "libraries" / left.library, scratch)
    journal = Journal(scratch / "journal.db")
    library = LibraryId(bytes.fromhex(left.library))
    catalog = Catalog(library, Identity.generate(World()), journal, World())
    digest = catalog.root_digest().hex()
    catalog.close()
    journal.close()
    return digest


def originals_of(node: Daemon) -> dict[str, str]:
    return {
        photo: hashlib.sha256(node.bytes(f"/photos/{photo}/original")).hexdigest()
        for photo in node.photos()
    }


def test_a_folder_alone_restores_every_byte_and_the_same_catalog(
    left: Left, tmp_path: Path
) -> None:
    before = snapshot(left.home)
    told = restore(tmp_path / "new", str(left.home))
    assert told["photos"] == len(left.originals) and told["lacking"] == {}
    assert told["digest"] == digest_of(left, tmp_path / "copy")
    assert snapshot(left.home) == before, "the archive's folder was only read"
    assert not (tmp_path / "new" / "restoring").exists()
    with daemons(tmp_path / "new") as (node,):
        node.start()
        assert node.status()["library"]["id"] == left.library
        assert originals_of(node) == left.originals
        wants = node.status()["wants"]
        assert wants["blobs_held"] == wants["blobs_wanted"] > len(left.originals)
        detail = node.get(f"/photos/{left.contested}")
        assert detail["conflicts"] == ["title"]
        titles = {one["value"] for one in detail["fields"]["title"]["versions"]}
        assert titles == {"Sunrise", "Sunset"}
        assert node.get(f"/photos/{left.placed}")["sealed"] == ["gps"], "no key came with it"
        out = tmp_path / "out"
        photonic(node.home, "export-catalog", str(out))
        with pytest.raises(httpx.HTTPStatusError) as refused:
            node.send("PATCH", f"/photos/{left.contested}", {"rating": 1})
        assert refused.value.response.json()["code"] == "catalog.not-allowed"
    for stem in ("albums", "members", "policies"):
        assert records(out, stem) == records(left.export, stem)
    signed = {one["id"]: one["data"] for one in records(left.export, "changes")}
    assert {one["id"]: one["data"] for one in records(out, "changes")} == signed


def test_the_kit_makes_the_new_node_an_admin_that_reads_what_is_sealed(
    left: Left, tmp_path: Path
) -> None:
    restore(tmp_path / "new", str(left.home), "--kit", left.kit)
    with daemons(tmp_path / "new") as (node,):
        node.start()
        detail = node.get(f"/photos/{left.placed}")
        assert detail["sealed"] == [] and detail["fields"]["gps"]["value"].items() >= PLACE.items()
        node.send("PATCH", f"/photos/{left.contested}", {"title": "Sunset"})
        assert node.get(f"/photos/{left.contested}")["conflicts"] == []
        assert photonic(node.home, "invite").stdout.startswith("photonic-")


def test_photos_come_out_as_plain_files_with_sidecars_beside_them(
    left: Left, tmp_path: Path
) -> None:
    before = snapshot(left.home)
    out = tmp_path / "plain"
    told = restore(tmp_path / "unused", str(left.home), "--originals", str(out))
    assert told["photos"] == len(left.originals) and told["sealed"] == 0
    assert snapshot(left.home) == before and not (tmp_path / "unused").exists()
    assert not (out / ".restoring").exists() and not (out / "lacking.txt").exists()
    files = [path for path in (out / "photos").rglob("*") if path.is_file()]
    found = sorted(sha256(path) for path in files if path.suffix != ".xmp")
    assert found == sorted(left.originals.values())
    written = {sha256(path) for path in files if path.suffix == ".xmp"}
    assert left.sidecars and left.sidecars <= written, "sidecars are what they were"
    for stem in (*STEMS, "photos"):
        assert records(out / "catalog", stem) == records(left.export, stem)
    taken = [one for one in records(left.export, "photos") if one["taken"]]
    assert taken
    for photo in taken:
        day = photo["taken"][:10]
        assert (out / "photos" / day[:4] / day / photo["name"]).exists()
    placed = next(one for one in taken if one["id"] == left.placed)
    texts = [path.read_text() for path in files if path.name.startswith(placed["name"] + ".xmp")]
    assert any("GPSLatitude" in text for text in texts), "the archive's own key opened the place"


def test_an_archive_without_the_key_gives_what_it_has_and_the_kit_opens_the_rest(
    tmp_path: Path,
) -> None:
    left = live(tmp_path / "life", sealed=True)
    closed, opened = tmp_path / "closed", tmp_path / "open"
    told = restore(tmp_path / "unused", str(left.home), "--originals", str(closed))
    assert told["sealed"] > 0 and told["whole"]
    assert not any("GPS" in path.read_text() for path in closed.rglob("*.xmp"))
    shown = photonic(tmp_path / "new", "restore", str(left.home))
    assert "sealed" in shown.stderr and "--kit" in shown.stderr
    told = restore(
        tmp_path / "unused", str(left.home), "--originals", str(opened), "--kit", left.kit
    )
    assert told["sealed"] == 0
    assert any("GPSLatitude" in path.read_text() for path in opened.rglob("*.xmp"))


def test_what_is_damaged_or_missing_is_told_by_name_and_all_else_is_restored(
    left: Left, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    shutil.copytree(left.home, archive)
    damaged, missing = sorted(left.originals)[3:5]
    names = {one["id"]: one["name"] for one in records(left.export, "photos")}
    for photo in (damaged, missing):
        path = final_path(archive / "blobs", BlobId(bytes.fromhex(photo)))
        path.chmod(0o600)
        if photo == missing:
            path.unlink()
        else:
            with path.open("r+b") as file:
                file.seek(path.stat().st_size // 2)
                file.write(b"this is not what was here")
    told = restore(tmp_path / "new", str(archive), check=False)
    assert told["lacking"] == {"damaged": 1, "missing": 1} and not told["whole"]
    assert {(one["photo"], one["name"], one["why"], one["what"]) for one in told["lacks"]} == {
        (damaged, names[damaged], "damaged", "original"),
        (missing, names[missing], "missing", "original"),
    }
    assert "laptop" in told["lacks"][0]["said_by"], "where to look for it"
    report = (tmp_path / "new" / "lacking.txt").read_text()
    assert names[damaged] in report and names[missing] in report
    with daemons(tmp_path / "new") as (node,):
        node.start()
        rest = {p: h for p, h in left.originals.items() if p not in (damaged, missing)}
        shown = {p for p, one in node.photos().items() if one["held"]}
        assert shown == rest.keys()
        for photo, digest in rest.items():
            assert hashlib.sha256(node.bytes(f"/photos/{photo}/original")).hexdigest() == digest
    out = tmp_path / "plain"
    told = restore(tmp_path / "unused", str(archive), "--originals", str(out), check=False)
    assert told["lacking"] == {"damaged": 1, "missing": 1}
    plain = {sha256(path) for path in (out / "photos").rglob("*") if path.suffix != ".xmp"
             and path.is_file()}  # fmt: skip
    assert plain == set(rest.values()), "and nothing that is not what it was"


# Dies at the Nth time that it tells of something; commits are small, so that there are many.
DIES = """
import os, signal, sys
from pathlib import Path
from photonic import limits
limits.BLOBS_PER_COMMIT_MAX = 4
from photonic.config import Settings
from photonic.startup import restore, restore_files
home, folder, kind, what, count = sys.argv[1:]
left = int(count)
def tell(told, _):
    global left
    left -= told == what
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
if kind == "home":
    restore(Settings(home=Path(home)), Path(folder), None, tell, shares=False)
else:
    restore_files(Path(folder), Path(home), None, tell)
"""


def begin_and_die(home: Path, folder: Path, kind: str, what: str, count: int) -> None:
    command = [sys.executable, "-c", DIES, str(home), str(folder), kind, what, str(count)]
    died = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=READY_WITHIN_S)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()


@pytest.mark.parametrize(("what", "count"), [("files", 2), ("files", 9), ("changes", 2)])
def test_a_restoration_that_was_killed_goes_on(
    left: Left, tmp_path: Path, what: str, count: int
) -> None:
    home = tmp_path / "new"
    begin_and_die(home, left.home, "home", what, count)
    refused = photonic(home, "init", check=False)
    assert "restore" in refused.stderr, "no node founds another library in it"
    assert not (home / "library.json").exists()
    told = restore(home, str(left.home))
    assert told["known"] > 0, "what was copied is not copied again"
    assert told["digest"] == digest_of(left, tmp_path / "copy")
    again = restore(home, str(left.home))
    assert (again["files"], again["known"]) == (0, told["files"] + told["known"])
    with daemons(home) as (node,):
        assert originals_of(node.start()) == left.originals


def test_plain_files_that_were_killed_go_on(left: Left, tmp_path: Path) -> None:
    out = tmp_path / "plain"
    begin_and_die(out, left.home, "plain", "files", 7)
    assert (out / ".restoring").exists()
    told = restore(tmp_path / "unused", str(left.home), "--originals", str(out))
    assert told["known"] >= 6
    files = [path for path in (out / "photos").rglob("*") if path.is_file()]
    found = sorted(sha256(path) for path in files if path.suffix != ".xmp")
    assert found == sorted(left.originals.values()), "each once"


@pytest.mark.root("mount")
def test_a_disk_that_is_mounted_read_only_is_enough(left: Left, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "--bind", str(left.home), str(disk)], check=True)
    try:
        remount = ["mount", "-o", "remount,bind,ro", str(disk)]
        if subprocess.run(remount, check=False, capture_output=True).returncode:
            pytest.skip("this machine lets nothing be mounted read-only")
        with pytest.raises(OSError, match="Read-only"):
            (disk / "x").touch()
        told = restore(tmp_path / "new", str(disk))
        assert told["whole"] and told["photos"] == len(left.originals)
        told = restore(tmp_path / "new", str(disk), "--originals", str(tmp_path / "plain"))
        assert told["whole"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_what_would_harm_the_folder_or_another_library_is_refused(
    left: Left, tmp_path: Path
) -> None:
    inside = photonic(left.home / "new", "restore", str(left.home), check=False)
    assert "archive's own folder" in inside.stderr
    (tmp_path / "empty").mkdir()
    none = photonic(tmp_path / "new", "restore", str(tmp_path / "empty"), check=False)
    assert "not the home folder" in none.stderr
    other = tmp_path / "other"
    photonic(other, "init")
    kit = json.loads(photonic(other, "--json", "recovery-kit").stdout)["kit"]
    wrong = photonic(tmp_path / "new", "restore", str(left.home), "--kit", kit, check=False)
    assert "no key to this one" in wrong.stderr and not (tmp_path / "new" / "blobs").exists()
    taken = photonic(other, "restore", str(left.home), check=False)
    assert "keeps the library" in taken.stderr
    with daemons(tmp_path / "running") as (node,):
        node.start()
        busy = photonic(tmp_path / "new", "restore", str(node.home), check=False)
        assert "in use" in busy.stderr
