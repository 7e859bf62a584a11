"""The page in real Chromium: the grid, one photo, and what another node changes, without reload."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from photonic import api
from photonic.ingest.samples import make_samples
from simulations.daemons import Daemon, daemons, join, photonic

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PAGE = Path(api.__file__).parent / "page" / "index.html"
COUNT = 24
# Chromium as root needs no sandbox; it must look for nothing outside.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(not PAGE.exists(), reason="the page is not built: scripts/page"),
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Daemon]]:
    """Two nodes that hold two dozen samples."""
    folder = tmp_path_factory.mktemp("page")
    make_samples(folder / "samples", COUNT)
    with daemons(folder / "studio", folder / "laptop") as (studio, laptop):
        studio.start("--name", "studio")
        photonic(studio.home, "import", str(folder / "samples"))
        join(studio, laptop)
        laptop.start("--name", "laptop", "--peer", studio.listen[0])
        laptop.wait_until(lambda: laptop.status()["holdings"]["held"] == COUNT)
        yield studio, laptop


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        tab = browser.new_page(viewport={"width": 1440, "height": 900})
        faults: list[str] = []
        tab.on("pageerror", lambda error: faults.append(str(error)))
        # A node that is stopped on purpose is a network error, and no fault of the page.
        tab.on(
            "console",
            lambda m: (
                faults.append(m.text) if m.type == "error" and "net::ERR_" not in m.text else None
            ),
        )
        yield tab
        browser.close()
    assert faults == []


def test_the_grid_shows_the_photos_of_another_node(pair: tuple[Daemon, Daemon], page: Page) -> None:
    _, laptop = pair
    page.goto(laptop.url)
    expect(page.get_by_test_id("photo-count").first).to_contain_text(str(COUNT))
    tile = page.get_by_test_id("tile").first
    expect(tile.locator("img")).to_be_visible()
    drawn = "image => image.decode().then(() => image.naturalWidth)"
    assert tile.locator("img").evaluate(drawn) > 100


def test_a_photo_opens_and_changes_when_the_other_node_edits_it(
    pair: tuple[Daemon, Daemon], page: Page
) -> None:
    studio, laptop = pair
    page.goto(laptop.url)
    tile = page.get_by_test_id("tile").first
    photo = tile.get_attribute("data-photo-id")
    tile.click()
    expect(page.get_by_test_id("photo-view")).to_be_visible()
    for stars in (1, 5):
        studio.send("PATCH", f"/photos/{photo}", {"rating": stars})
        rating = page.get_by_test_id("photo-view").get_by_test_id("rating")
        expect(rating).to_have_attribute("data-value", str(stars))
    page.get_by_test_id("star-3").click()
    studio.wait_until(lambda: studio.get(f"/photos/{photo}")["rating"] == 3, 10)


def has_no_conflicts(node: Daemon) -> bool:
    return bool(node.status()["conflicts"] == 0)


def test_values_given_apart_stand_side_by_side_and_one_click_settles_them(
    pair: tuple[Daemon, Daemon], page: Page
) -> None:
    studio, laptop = pair
    photo = list(studio.photos())[1]
    address = studio.listen[0]
    laptop.stop()
    studio.send("PATCH", f"/photos/{photo}", {"rating": 4})
    port = address.split("/p2p/")[0]
    studio.stop()
    laptop.start("--name", "laptop")
    laptop.send("PATCH", f"/photos/{photo}", {"rating": 1})
    page.goto(f"{laptop.url}/#/photo/{photo}")
    expect(page.get_by_test_id("photo-view")).to_be_visible()
    studio.start("--name", "studio", "--listen", port)
    contested = page.get_by_test_id("contested-rating")
    expect(contested).to_be_visible(timeout=60_000)
    versions = contested.get_by_test_id("version")
    expect(versions).to_have_count(2)
    values = {versions.nth(i).get_attribute("data-value") for i in range(2)}
    assert values == {"1", "4"}
    contested.locator('[data-testid="version"][data-value="4"]').get_by_test_id("keep").click()
    expect(contested).to_have_count(0)
    for node in (studio, laptop):
        node.wait_until(partial(has_no_conflicts, node), 10)
        assert node.get(f"/photos/{photo}")["rating"] == 4


def test_the_nodes_are_shown_live(pair: tuple[Daemon, Daemon], page: Page) -> None:
    studio, laptop = pair
    page.goto(f"{laptop.url}/#/nodes")
    view = page.get_by_test_id("nodes-view")
    expect(view).to_be_visible()
    peer = view.get_by_test_id("peer").filter(has_text="studio")
    expect(peer).to_contain_text(re.compile("monitoring|syncing"))
    studio.stop()
    expect(peer).to_contain_text(re.compile("offline|connecting"), timeout=20_000)
