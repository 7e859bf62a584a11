"""The main job, from outside: two daemons, one library, the same photos; a third by the second."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import pytest

from photonic.ingest.importer import find_files
from photonic.photos import media_type
from simulations.daemons import Daemon, daemons, join, photonic
from tests.cameras import make_camera_files

SHARED = Path(__file__).parents[3] / "shared" / "photos"
MET_WITHIN_S = 1.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tests' own camera files, and the shared ones where they are."""
    folder = tmp_path_factory.mktemp("camera")
    make_camera_files(folder / "own")
    if SHARED.is_dir():
        (folder / "shared").symlink_to(SHARED)
    return folder


def sources(folder: Path) -> dict[str, Path]:
    """Return the photos below a folder by the SHA-256 of their bytes; empty files are none."""
    found = {}
    for part in sorted(folder.iterdir()):
        for path in find_files(part.resolve(), lambda error, place: None):
            if media_type(path.name) and path.stat().st_size:
                found[hashlib.sha256(path.read_bytes()).hexdigest()] = path
    return found


def import_all(node: Daemon, folder: Path) -> None:
    for part in sorted(folder.iterdir()):
        photonic(node.home, "import", str(part.resolve()), check=False, within_s=300)


def has_everything(node: Daemon, count: int) -> bool:
    status = node.status()
    wants = status["wants"]
    return bool(
        status["photos"] == status["holdings"]["held"] == count
        and wants["blobs_held"] == wants["blobs_wanted"]
    )


def has_no_conflicts(node: Daemon) -> bool:
    return bool(node.status()["conflicts"] == 0)


def check_same(
    first: Daemon, other: Daemon, originals: dict[str, Path], visible: list[str]
) -> None:
    """The same ids and facts, every original byte-identical, every preview served."""
    ours, theirs = first.photos(), other.photos()
    assert ours == theirs
    digests = set()
    for photo in theirs:
        detail, expected = other.get(f"/photos/{photo}"), first.get(f"/photos/{photo}")
        assert detail["facts"] == expected["facts"]
        data = other.bytes(f"/photos/{photo}/original")
        digests.add(hashlib.sha256(data).hexdigest())
        assert len(data) == detail["bytes"]
    assert digests == set(originals)
    for photo in visible:
        for size in (256, 1600):
            preview = other.bytes(f"/photos/{photo}/preview", size=size)
            assert preview.startswith(b"\xff\xd8\xff")
            assert preview == first.bytes(f"/photos/{photo}/preview", size=size)


def with_previews(importer: Daemon) -> list[str]:
    """The photos that the importing node could read; the others have no preview."""
    troubled = {problem["path"] for problem in importer.status()["problems"]}
    names = {Path(path).name for path in troubled if path}
    return [photo for photo, item in importer.photos().items() if item["name"] not in names]


def test_two_nodes_hold_the_same_and_a_third_gets_it_all_through_the_second(
    tmp_path: Path, folder: Path
) -> None:
    originals = sources(folder)
    with daemons(tmp_path / "a", tmp_path / "b", tmp_path / "c") as (first, second, third):
        first.anew = second.anew = third.anew = True  # as a user's are, not forked
        first.start()
        import_all(first, folder)
        assert len(first.photos()) == len(originals)
        visible = with_previews(first)
        assert len(visible) > len(originals) * 0.8
        join(first, second)
        second.start("--peer", first.listen[0])
        second.wait_until(lambda: has_everything(second, len(originals)))
        check_same(first, second, originals, visible)

        join(first, third)
        first.wait_until(lambda: len(first.get("/peers")["items"]) == 2)
        second.wait_until(lambda: len(second.get("/peers")["items"]) == 2)
        assert first.stop() == 0
        third.start("--peer", second.listen[0])
        third.wait_until(lambda: has_everything(third, len(originals)))
        check_same(second, third, originals, visible)
        assert second.stop() == 0
        assert third.stop() == 0


def test_ratings_given_apart_are_both_seen_within_a_second_and_one_choice_settles_both(
    tmp_path: Path, folder: Path
) -> None:
    with daemons(tmp_path / "a", tmp_path / "b") as (first, second):
        first.start()
        photonic(first.home, "import", str(folder / "own"), check=False)
        join(first, second)
        second.start("--peer", first.listen[0])
        second.wait_until(lambda: has_everything(second, first.status()["photos"]))
        photo = next(iter(first.photos()))
        port = first.listen[0].split("/p2p/")[0]
        first.stop()

        second.send("PATCH", f"/photos/{photo}", {"rating": 2})
        second.stop()
        first.start("--listen", port)
        first.send("PATCH", f"/photos/{photo}", {"rating": 4})
        second.start("--peer", first.listen[0])
        second.wait_until(lambda: second.status()["peers"] == 1)

        def shows_both(node: Daemon) -> bool:
            field = node.get(f"/photos/{photo}")["fields"]["rating"]
            return field["contested"] and {v["value"] for v in field["versions"]} == {2, 4}

        assert second.wait_until(lambda: shows_both(second)) < MET_WITHIN_S
        assert first.wait_until(lambda: shows_both(first)) < MET_WITHIN_S
        for node in (first, second):
            assert [c["field"] for c in node.get("/conflicts")["items"]] == ["rating"]

        versions = second.get(f"/photos/{photo}")["fields"]["rating"]["versions"]
        chosen = next(version for version in versions if version["value"] == 4)
        body = {"field": "rating", "change": chosen["change"]}
        second.send("POST", f"/photos/{photo}/resolve", body)
        for node in (first, second):
            node.wait_until(partial(has_no_conflicts, node), 10)
            assert node.get(f"/photos/{photo}")["rating"] == 4


def test_the_same_file_imported_on_two_nodes_that_had_not_met_is_one_photo(
    tmp_path: Path, folder: Path
) -> None:
    with daemons(tmp_path / "a", tmp_path / "b") as (first, second):
        first.start()
        join(first, second)
        photonic(first.home, "import", str(folder / "own"), check=False)
        first.stop()
        second.start()
        photonic(second.home, "import", str(folder / "own"), check=False)
        alone = second.photos()
        second.stop()
        first.start()
        second.start("--peer", first.listen[0])
        second.wait_until(
            lambda: second.status()["peers"] == 1 and has_everything(second, len(alone))
        )
        first.wait_until(lambda: has_everything(first, len(alone)))
        assert first.photos().keys() == second.photos().keys() == alone.keys()
        assert first.status()["conflicts"] == second.status()["conflicts"] == 0
