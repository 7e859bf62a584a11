"""What people type is asked of the index as they mean it, on their day and with their albums."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest

from photonic.errors import PhotoUnknown
from photonic.finder import Finder
from photonic.photo_views import PhotoFilter
from photonic.world import World
from tests.api.client import run
from tests.api.memory_photos import MemoryPhotos


@dataclass
class Noon:
    """A clock that stands at noon of a day, where this machine is."""

    day: str

    def now_ms(self) -> int:
        return int(datetime.fromisoformat(f"{self.day}T12:00:00").timestamp() * 1000)

    def monotonic_s(self) -> float:
        return 0.0


async def names(finder: Finder, q: str, **more: object) -> list[str]:
    wanted = replace(PhotoFilter(q=q), **more)  # type: ignore[arg-type]
    return [item.row.name for item in (await finder.page(wanted, 100, None)).items]


def test_today_is_the_day_where_the_node_runs(tmp_path: Path) -> None:
    async def main() -> None:
        photos = MemoryPhotos(tmp_path, World(clock=Noon("2024-05-18")))
        photos.take("before.jpg", (1, 2, 3), taken="2024-05-16")
        photos.take("then.jpg", (90, 2, 3), taken="2024-05-17")
        photos.take("now.jpg", (180, 2, 3), taken="2024-05-18")
        assert await names(photos.finder, "taken:today") == ["now.jpg"]
        assert await names(photos.finder, "taken:yesterday") == ["then.jpg"]

    run(main)


def test_spellings_of_one_camera_are_one_facet(tmp_path: Path) -> None:
    async def main() -> None:
        photos = MemoryPhotos(tmp_path)
        for number, camera in enumerate(("NIKON D750", "Nikon D750", 'X "1"')):
            path = tmp_path / f"{number}.nef"
            path.write_bytes(b"%d" % number)
            photos.take_in(path, camera=camera)
        cameras = (await photos.finder.facets()).cameras
        assert [(one.value, one.count) for one in cameras] == [("NIKON D750", 2), ('X "1"', 1)]
        for one in cameras:
            assert len(await names(photos.finder, one.query)) == one.count

    run(main)


def test_filters_beside_the_query_narrow_it(tmp_path: Path) -> None:
    async def main() -> None:
        photos = MemoryPhotos(tmp_path)
        photos.take("a.jpg", (1, 2, 3), taken="2024-05-16")
        photos.take("b.jpg", (90, 2, 3), taken="2024-06-17")
        finder = photos.finder
        assert await names(finder, "", taken_to="2024-05") == ["a.jpg"]
        assert await names(finder, "", taken_from="2024-05-17T09:30:12.250") == ["b.jpg"]
        assert await names(finder, "b", camera="CAMERA a", media="image") == ["b.jpg"]
        assert await names(finder, "", sort="-taken") == ["a.jpg", "b.jpg"]

    run(main)


def test_ids_that_name_no_photo_are_told(tmp_path: Path) -> None:
    async def main() -> None:
        photos = MemoryPhotos(tmp_path)
        photo = photos.take("a.jpg", (1, 2, 3))
        assert [one.hex() for one in await photos.finder.known([photo, photo])] == [photo]
        for wrong in ("ab" * 32, "xyz"):
            with pytest.raises(PhotoUnknown):
                await photos.finder.known([photo, wrong])

    run(main)
