"""The page in real Chromium: the grid, one photo, and what another node changes, without reload."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

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
        # A node that is stopped on purpose, and what it refuses, are no faults of the page.
        excused = ("net::ERR_", "400 (", "422 (", "503 (")
        tab.on(
            "console",
            lambda m: (
                faults.append(f"{m.text} {m.location}")
                if m.type == "error" and not any(word in m.text for word in excused)
                else None
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


# --- searching, and what is done to many photos --------------------------------------------------


def found(page: Page, query: str) -> Locator:
    page.get_by_test_id("filter-text").fill(query)
    return page.get_by_test_id("tile")


@pytest.fixture
def library(pair: tuple[Daemon, Daemon], page: Page) -> Daemon:
    """The laptop, all of its photos shown."""
    _, laptop = pair
    page.goto(f"{laptop.url}/#/nodes")  # so that going to the grid begins anew
    page.goto(f"{laptop.url}/#/")
    expect(page.get_by_test_id("tile").first).to_be_visible()
    return laptop


def test_a_query_that_cannot_be_read_is_marked_where_it_is_wrong(
    library: Daemon, page: Page
) -> None:
    with page.expect_response(re.compile("/photos\\?.*ratng")):
        found(page, "harbour ratng>=3")
    error = page.get_by_test_id("query-error")
    expect(error.locator("mark")).to_have_text("ratng")
    expect(page).to_have_url(re.compile("q=harbour"))
    found(page, "")
    expect(error).to_have_count(0)
    expect(page.get_by_test_id("tile").first).to_be_visible()


def test_fields_are_suggested_and_taken_by_keys(library: Daemon, page: Page) -> None:
    field = page.get_by_test_id("filter-text")
    field.fill("kin")
    expect(page.get_by_test_id("suggestion").first).to_contain_text("kind:")
    field.press("ArrowDown")
    field.press("Enter")
    expect(field).to_have_value("kind:")
    expect(page.get_by_test_id("suggestion").first).to_contain_text("kind:")


def test_a_month_is_jumped_to_and_newer_photos_come_above(library: Daemon, page: Page) -> None:
    months = library.get("/timeline")["months"]
    assert len(months) > 1
    bar = page.get_by_test_id("months")
    bar.focus()
    bar.press("End")
    expect(page.get_by_test_id("month-tip")).to_contain_text("photo")
    page.goto(f"{library.url}/#/?at={months[-1]['month']}")
    expect(page.get_by_test_id("grid")).to_have_attribute("data-loaded", str(COUNT))
    expect(page.get_by_test_id("tile").first).to_be_visible()


def select(page: Page, count: int) -> None:
    for index in range(count):
        page.get_by_test_id("tile").nth(index).click(modifiers=["Control"])
    expect(page.get_by_test_id("selected")).to_have_attribute("data-value", str(count))


def tagged(node: Daemon, tag: str) -> int:
    return int(node.get("/photos/count", q=f"tag:{tag}")["count"])


def test_many_photos_are_tagged_as_one_act_and_one_click_takes_it_back(
    library: Daemon, page: Page
) -> None:
    select(page, 3)
    page.get_by_test_id("selection-tag").fill("chosen")
    page.get_by_test_id("selection-tag").press("Enter")
    undo = page.get_by_test_id("notice-action")
    expect(undo).to_be_visible()
    assert tagged(library, "chosen") == 3
    undo.click()
    expect(page.get_by_test_id("notice").filter(has_text="Undone: 3 photos")).to_be_visible()
    assert tagged(library, "chosen") == 0


def test_a_photo_goes_to_the_trash_and_comes_back(library: Daemon, page: Page) -> None:
    select(page, 1)
    photo = page.get_by_test_id("tile").first.get_attribute("data-photo-id")
    page.get_by_test_id("selection-trash").click()
    gone = page.locator(f'[data-testid="tile"][data-photo-id="{photo}"]')
    expect(gone).to_have_count(0)
    page.goto(f"{library.url}/#/trash")
    trashed = page.get_by_test_id("trashed")
    expect(trashed).to_have_count(1)
    expect(trashed).to_contain_text("Removed for good in")
    trashed.get_by_test_id("restore").click()
    expect(page.get_by_test_id("trash-empty")).to_be_visible()
    page.goto(f"{library.url}/#/")
    expect(gone).to_have_count(1)


def test_a_search_is_kept_as_an_album(library: Daemon, page: Page) -> None:
    found(page, "kind:image")
    expect(page.get_by_test_id("found")).to_contain_text("photo")
    page.get_by_test_id("save-query").click()
    page.get_by_test_id("save-name").fill("Pictures")
    page.get_by_test_id("save-name").press("Enter")
    expect(page.get_by_test_id("save-name")).to_have_count(0)
    page.goto(f"{library.url}/#/")
    page.get_by_test_id("albums-toggle").click()
    page.get_by_test_id("album").get_by_text("Pictures").click()
    expect(page.get_by_test_id("filter-text")).to_have_value('album="Pictures"')
    expect(page.get_by_test_id("tile").first).to_be_visible()
    page.get_by_test_id("albums-toggle").click()


def test_an_album_of_another_node_is_there_at_once_and_its_deletion_is_taken_back(
    pair: tuple[Daemon, Daemon], library: Daemon, page: Page
) -> None:
    studio, _ = pair
    page.get_by_test_id("albums-toggle").click()
    studio.send("POST", "/albums", {"name": "From the studio"})
    album = page.locator('[data-testid="album"][data-name="From the studio"]')
    expect(album).to_be_visible()
    album.hover()
    album.get_by_test_id("album-delete").click()
    page.get_by_test_id("album-delete-yes").click()
    expect(album).to_have_count(0)
    notice = page.get_by_test_id("notice").filter(has_text="From the studio")
    notice.get_by_test_id("notice-action").click()
    expect(album).to_be_visible()
    studio.wait_until(
        lambda: "From the studio" in [one["name"] for one in studio.get("/albums")["items"]], 10
    )
    page.get_by_test_id("albums-toggle").click()


def test_the_history_of_a_photo_tells_who_said_what_and_takes_it_back(
    library: Daemon, page: Page
) -> None:
    photo = list(library.photos())[5]
    before = library.get(f"/photos/{photo}")["title"]
    library.send("PATCH", f"/photos/{photo}", {"title": "Low tide"})
    page.goto(f"{library.url}/#/photo/{photo}")
    page.get_by_test_id("history").locator("summary").click()
    said = page.get_by_test_id("said").first
    expect(said).to_contain_text("laptop")
    expect(said).to_contain_text("Low tide")
    said.get_by_test_id("undo").click()
    expect(page.get_by_test_id("title")).to_have_value(before or "")
    assert library.get(f"/photos/{photo}")["title"] == before


def test_the_nodes_are_shown_live(pair: tuple[Daemon, Daemon], page: Page) -> None:
    studio, laptop = pair
    page.goto(f"{laptop.url}/#/nodes")
    view = page.get_by_test_id("nodes-view")
    expect(view).to_be_visible()
    peer = view.get_by_test_id("peer").filter(has_text="studio")
    expect(peer).to_contain_text(re.compile("monitoring|syncing"))
    studio.stop()
    expect(peer).to_contain_text(re.compile("offline|connecting"), timeout=20_000)


# --- what moves between the nodes -----------------------------------------------------------------


@pytest.fixture
def moving(pair: tuple[Daemon, Daemon], page: Page) -> Iterator[Daemon]:
    """The laptop, with the view of what moves open; nothing stays changed."""
    studio, laptop = pair
    if studio.process is None:
        studio.start("--name", "studio")
    page.goto(f"{laptop.url}/#/moving")
    expect(page.get_by_test_id("moving-view")).to_be_visible()
    yield laptop
    laptop.send("DELETE", "/limits", None)


def limits_of(node: Daemon) -> dict[str, object]:
    return dict(node.get("/limits"))


def test_fetching_is_paused_and_goes_on_with_a_click(moving: Daemon, page: Page) -> None:
    page.get_by_test_id("pause").click()
    expect(page.get_by_test_id("paused")).to_contain_text("Fetching is paused")
    assert [pause["kind"] for pause in moving.status()["pauses"]] == ["library"]
    page.get_by_test_id("resume-all").click()
    expect(page.get_by_test_id("paused")).to_have_count(0)
    assert moving.status()["pauses"] == []


def test_limits_are_set_on_the_page_and_what_is_wrong_is_told_at_its_field(
    moving: Daemon, page: Page
) -> None:
    page.get_by_test_id("limit-in").fill("5")
    page.get_by_test_id("limits-save").click()
    expect(page.get_by_test_id("limit-in-wrong")).to_contain_text("unit is missing")
    page.get_by_test_id("limit-in").fill("5 MB/s")
    page.get_by_test_id("limit-schedule").fill("by night as fast as you can")
    page.get_by_test_id("limits-save").click()
    expect(page.get_by_test_id("limits-refused")).to_be_visible()
    assert limits_of(moving)["in_bytes_s"] is None, "a half of what was wrong was taken"
    page.get_by_test_id("limit-schedule").fill("08:00-22:00 2MB/s, otherwise full")
    page.get_by_test_id("limits-save").click()
    expect(page.get_by_test_id("limits-reset")).to_be_visible()
    assert limits_of(moving)["in_bytes_s"] == 5_000_000
    page.get_by_test_id("limits-reset").click()
    expect(page.get_by_test_id("limit-in")).to_have_value("")
    assert limits_of(moving)["changed"] is False


def test_what_is_stored_is_verified_when_somebody_asks(moving: Daemon, page: Page) -> None:
    page.get_by_test_id("verify-now").click()
    ended = page.locator('[data-testid="verification"][data-finished="true"]')
    expect(ended).to_contain_text("all as they should be", timeout=30_000)


def test_it_is_said_how_safe_the_photos_are(moving: Daemon, page: Page) -> None:
    expect(page.get_by_test_id("safety")).to_have_attribute("data-state", "safe", timeout=30_000)
    expect(page.get_by_test_id("safety")).to_contain_text("Every photo is on 2 machines or more")


def test_the_page_of_a_photo_tells_its_rule_and_follows_it(
    pair: tuple[Daemon, Daemon], page: Page
) -> None:
    studio, laptop = pair
    page.goto(laptop.url)
    tile = page.get_by_test_id("tile").first
    photo = tile.get_attribute("data-photo-id")
    tile.click()
    panel = page.get_by_test_id("placement")
    panel.locator("summary").click()
    expect(panel.get_by_test_id("wanted")).to_have_text("Wanted: 2 copies. Nothing is missing.")
    expect(panel.get_by_test_id("placed")).to_have_count(2)
    rule = f"where id:{photo}: copies 3, one on archive"
    photonic(studio.home, "policy", "placement", "add", rule)
    try:  # it is shown by itself, as soon as the other node has said it
        expect(panel.get_by_test_id("rule")).to_have_text(rule)
        expect(panel.get_by_test_id("wanted")).to_have_text(
            "Wanted: 3 copies, 1 on archive. 1 missing."
        )
        expect(panel).to_contain_text("No member is there to take 1 of them.")
    finally:
        photonic(studio.home, "policy", "placement", "remove", rule)
