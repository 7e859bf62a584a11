"""Real daemons, a real Ganesha and a real NFS client: the tree is what a photographer mounts."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import nfs_rs
import pytest

from simulations.daemons import Daemon, daemons, join, photonic
from tests.cameras import make_camera_files
from tests.nfs.serving import client, free_port, read, require_ganesha, write

XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:darktable="http://darktable.sf.net/" xmp:Rating="RATING"
 darktable:history_end="HISTORY"><dc:subject><rdf:Bag><rdf:li>WORD</rdf:li></rdf:Bag></dc:subject>
 <darktable:colorlabels><rdf:Seq><rdf:li>3</rdf:li></rdf:Seq></darktable:colorlabels>
 <dc:title><rdf:Alt><rdf:li xml:lang="x-default">TITLE</rdf:li></rdf:Alt></dc:title>
 </rdf:Description></rdf:RDF></x:xmpmeta>"""
SHOWN_WITHIN_S, KNOWN_ELSEWHERE_WITHIN_S = 2.0, 5.0
SLACK = 4  # a machine under tests is slower than one that is not


def xmp(rating: int = 4, history: int = 1, word: str = "harbour", title: str = "Boats") -> bytes:
    said = {"RATING": rating, "HISTORY": history, "WORD": word, "TITLE": title}
    text = XMP
    for name, value in said.items():
        text = text.replace(name, str(value))
    return text.encode()


class Exporting(Daemon):
    """A daemon that shows a tree, and a port where it is mounted."""

    port = 0

    def export(self, *more: str, rules: tuple[str, ...] = ("127.0.0.1 rw",)) -> Exporting:
        self.port = free_port()
        words = [
            "--tree", str(self.home / "tree"), "--nfs", "ganesha",
            "--nfs-listen", f"127.0.0.1:{self.port}", *more,
        ]  # fmt: skip
        for rule in rules:
            words += ["--nfs-rules", rule]
        self.start(*words)
        self.wait_until(lambda: self.exports["nfs"]["state"] == "serving", 30)
        return self

    @property
    def exports(self) -> Any:
        return self.get("/exports")

    @property
    def tree(self) -> Path:
        return self.home / "tree"

    def shows(self, count: int) -> bool:
        tree = self.exports["tree"]
        return bool(tree["state"] == "ready" and tree["originals"] == count)


@contextmanager
def exporting(home: Path) -> Iterator[Exporting]:
    require_ganesha()
    node = Exporting(home)
    try:
        yield node
    finally:
        if node.process is not None:
            node.stop()
        node.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card") / "Harbour"
    make_camera_files(folder)
    return folder


def files_in(mounted: Any, folder: str = "photos") -> dict[str, Any]:
    """Return every file below a folder, as the client lists it."""
    found: dict[str, Any] = {}
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        for entry in mounted.scandir(here):
            if entry.name in (".", "..", ".photonic"):
                continue
            path = f"{here}/{entry.name}"
            if entry.info.type is nfs_rs.FileType.DIRECTORY:
                waiting.append(path)
            else:
                found[path] = entry.info
    return found


def originals_in(mounted: Any) -> dict[str, str]:
    """Return the SHA-256 of every original by its path."""
    return {
        path: hashlib.sha256(read(mounted, path)).hexdigest()
        for path in files_in(mounted)
        if not path.endswith(".xmp")
    }


def hashes_in(folder: Path, names: set[str]) -> set[str]:
    return {hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def inodes(tree: Path) -> dict[str, int]:
    return {
        str(path.relative_to(tree)): path.stat().st_ino
        for path in tree.rglob("*")
        if path.is_file() and ".photonic" not in path.parts
    }


def rated(node: Daemon, photo: str) -> Any:
    return node.get(f"/photos/{photo}")


def test_every_original_is_read_as_it_is_and_none_can_be_written(
    tmp_path: Path, folder: Path
) -> None:
    with exporting(tmp_path / "studio") as node:
        node.export()
        photonic(node.home, "import", str(folder), check=False)
        photos = node.photos()
        names = {item["name"] for item in photos.values()}
        node.wait_until(lambda: node.shows(len(photos)), 60)
        with client(node.port) as mounted:
            found = originals_in(mounted)
            assert set(found.values()) == hashes_in(folder, names)
            assert len(found) == len(photos)
            for path in found:
                with pytest.raises(nfs_rs.NfsError):
                    write(mounted, path, b"evil")
                with pytest.raises(nfs_rs.NfsError):
                    mounted.remove(path)
            assert originals_in(mounted) == found
        before = inodes(node.tree)
        node.stop()
        for file in node.home.glob("libraries/*/tree.db*"):
            file.unlink()  # and from the catalog the same comes out
        node.export()
        node.wait_until(lambda: node.shows(len(photos)), 60)
        assert inodes(node.tree) == before


def test_a_sidecar_is_a_version_on_the_other_node_in_5_s_and_a_photo_is_there_in_2(
    tmp_path: Path, folder: Path
) -> None:
    with exporting(tmp_path / "studio") as node, daemons(tmp_path / "field") as (other,):
        node.export()
        photonic(node.home, "import", str(folder), check=False)
        count = len(node.photos())
        node.wait_until(lambda: node.shows(count), 60)
        join(node, other)
        other.start("--peer", node.listen[0])
        other.wait_until(lambda: len(other.photos()) == count)
        path, photo = _one(node)
        with client(node.port) as mounted:
            began_s = time.monotonic()
            write(mounted, f"photos/{path}.xmp", xmp())
            other.wait_until(lambda: rated(other, photo)["rating"] == 4)
            took_s = time.monotonic() - began_s
            assert took_s < KNOWN_ELSEWHERE_WITHIN_S * SLACK
            print(f"a sidecar is known on the other node after {took_s:.2f} s")
            there = rated(other, photo)
            assert (there["label"], there["title"]) == ("blue", "Boats")
            assert "harbour" in there["tags"]
            # The next one takes its place, and what it does not say any more is gone.
            write(mounted, f"photos/{path}.xmp", xmp(2, 2, "sea"))
            other.wait_until(lambda: rated(other, photo)["rating"] == 2)
            there = rated(other, photo)
            assert "sea" in there["tags"] and "harbour" not in there["tags"]
            assert there["conflicts"] == []
            assert read(mounted, f"photos/{path}.xmp") == xmp(2, 2, "sea")


def _one(node: Exporting) -> tuple[str, str]:
    """Return where some photo without a sidecar lies, and its id."""
    by_hash = {item["id"]: item for item in node.photos().values()}
    ids = {item["name"]: photo for photo, item in by_hash.items()}
    for path in sorted(node.tree.rglob("*.jpg")):
        if path.name in ids and not path.with_name(path.name + ".xmp").exists():
            return str(path.relative_to(node.tree)), ids[path.name]
    raise AssertionError("every photo has a sidecar")


def test_of_two_who_wrote_apart_both_are_kept_and_one_is_a_duplicate(
    tmp_path: Path, folder: Path
) -> None:
    with exporting(tmp_path / "studio") as node, daemons(tmp_path / "archive") as (other,):
        node.export()
        photonic(node.home, "import", str(folder), check=False)
        count = len(node.photos())
        node.wait_until(lambda: node.shows(count), 60)
        join(node, other)
        tree = tmp_path / "archive/tree"
        other.start("--peer", node.listen[0], "--tree", str(tree))
        path, photo = _one(node)
        other.wait_until((tree / path).exists, 60)
        address = node.listen[0]
        other.stop()
        first, second = xmp(5, 1), xmp(1, 2)
        with client(node.port) as mounted:
            write(mounted, f"photos/{path}.xmp", first)
            node.wait_until(lambda: rated(node, photo)["rating"] == 5)
        node.stop()
        other.start("--tree", str(tree))
        (tree / f"{path}.xmp").write_bytes(second)
        other.wait_until(lambda: rated(other, photo)["rating"] == 1)
        assert other.stop() == 0
        node.export("--listen", address.partition("/p2p/")[0])
        other.start("--peer", node.listen[0], "--tree", str(tree))
        bare = Path(path)
        duplicate = str(bare.with_name(f"{bare.stem}_01{bare.suffix}.xmp"))

        def shows_both(root: Path) -> bool:
            names = (f"{path}.xmp", duplicate)
            return [_bytes(root / name) for name in names] == [first, second]

        for one, root in ((node, node.tree), (other, tree)):
            one.wait_until(lambda root=root: shows_both(root))  # type: ignore[misc]
            assert "rating" in rated(one, photo)["conflicts"]


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def test_half_a_sidecar_is_not_taken_in(tmp_path: Path, folder: Path) -> None:
    with exporting(tmp_path / "studio") as node:
        node.export()
        photonic(node.home, "import", str(folder), check=False)
        count = len(node.photos())
        node.wait_until(lambda: node.shows(count), 60)
        path, photo = _one(node)
        whole = xmp(3)
        sidecar = node.tree / f"{path}.xmp"
        with sidecar.open("wb") as writing:
            writing.write(whole[: len(whole) // 2])
            writing.flush()
            os.fsync(writing.fileno())
            node.wait_until(lambda: _is_told(node, "ingest.sidecar-invalid"), 30)
            assert rated(node, photo)["rating"] != 3
            writing.write(whole[len(whole) // 2 :])
        node.wait_until(lambda: rated(node, photo)["rating"] == 3)
        node.wait_until(lambda: not _is_told(node, "ingest.sidecar-invalid"))
        assert sidecar.read_bytes() == whole


def _is_told(node: Daemon, code: str) -> bool:
    return any(problem["code"] == code for problem in node.status()["problems"])


def test_killed_ganesha_is_back_and_a_broken_rule_touches_nothing(
    tmp_path: Path, folder: Path
) -> None:
    with exporting(tmp_path / "studio") as node:
        node.export()
        photonic(node.home, "import", str(folder), check=False)
        count = len(node.photos())
        node.wait_until(lambda: node.shows(count), 60)
        pid = int((node.home / "nfs/ganesha.pid").read_text())
        began_s = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        node.wait_until(lambda: node.exports["nfs"]["restarts"] == 1
                        and node.exports["nfs"]["state"] == "serving", 30)  # fmt: skip
        print(f"back after {time.monotonic() - began_s:.2f} s")
        assert time.monotonic() - began_s < 5 * SLACK
        config = (node.home / "nfs/ganesha.conf").read_bytes()
        with pytest.raises(httpx.HTTPStatusError) as refused:
            node.send("PUT", "/exports/rules", {"rules": ["127.0.0.1 rw", "10.0.0.1/8 rw"]})
        assert refused.value.response.json()["code"] == "nfs.rule-invalid"
        assert (node.home / "nfs/ganesha.conf").read_bytes() == config
        with client(node.port) as mounted:
            assert len(originals_in(mounted)) == count
        done = photonic(node.home, "--json", "nfs", "--allow", "127.0.0.1 ro")
        assert json.loads(done.stdout)["nfs"]["rules"] == ["127.0.0.1 ro"]
        path, _ = _one(node)
        with client(node.port) as mounted, pytest.raises(nfs_rs.NfsError):
            write(mounted, f"photos/{path}.xmp", xmp())
        audit = photonic(node.home, "--json", "audit").stdout
        assert "export.changed" in audit


def test_a_shoot_that_is_renamed_moves_nothing_and_a_new_photo_is_there_in_2_s(
    tmp_path: Path, folder: Path
) -> None:
    card = tmp_path / "card" / "Iceland"
    card.mkdir(parents=True)
    first, second = sorted(folder.glob("*.jpg"))[:2]
    (card / first.name).write_bytes(first.read_bytes())
    with exporting(tmp_path / "studio") as node:
        node.export()
        photonic(node.home, "import", str(card))
        node.wait_until(lambda: node.shows(1), 60)
        before = inodes(node.tree)
        (photo,) = node.photos()
        node.send("PATCH", f"/photos/{photo}", {"shoot": "ab" * 16})
        (card / second.name).write_bytes(second.read_bytes())
        began_s = time.monotonic()
        photonic(node.home, "import", str(card))
        imported_s = time.monotonic()
        node.wait_until(lambda: node.shows(2), 60)
        print(f"shown {time.monotonic() - imported_s:.2f} s after its import of"
              f" {imported_s - began_s:.2f} s")  # fmt: skip
        assert time.monotonic() - imported_s < SHOWN_WITHIN_S * SLACK
        after = inodes(node.tree)
        assert {path: after[path] for path in before} == before
