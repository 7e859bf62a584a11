"""Storage on the page, in real Chromium: room and what leaves it, pins, copies, photos as files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from simulations.daemons import Daemon, daemons, join, photonic
from simulations.ends import wait_for
from tests.nfs.serving import client, write
from tests.system.test_evictions import BUFFER_BYTES, MIN_COPIES, check_floor, on_disk, shoot
from tests.system.test_exports import exporting, files_in, xmp
from tests.system.test_page import ARGUMENTS, CHROMIUM, PAGE

SHOTS = 12  # fewer than the buffer's marks hold, so that nothing goes by itself
SLOW_MS = 60_000  # what other nodes have to do first, on a busy machine

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(not PAGE.exists(), reason="the page is not built: scripts/page"),
]


@pytest.fixture
def page() -> Iterator[Page]:
    """A browser's tab that complains of nothing: no script fails, no policy is broken."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        faults: list[str] = []
        tab.on("pageerror", lambda error: faults.append(str(error)))
        # A node that is stopped on purpose, and what it refuses, are no faults of the page.
        excused = ("net::ERR_", "403 (", "422 (", "503 (")
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


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Daemon, Daemon]]:
    """A mobile node with a small buffer, a central one and an archive; nothing is shot yet."""
    folder = tmp_path_factory.mktemp("storage")
    homes = (folder / name for name in ("mobile", "central", "archive"))
    with daemons(*homes) as (mobile, central, archive):
        mobile.role, archive.role = "mobile", "archive"
        central.start("--name", "studio")
        join(central, mobile, "mobile")
        join(central, archive, "archive")
        archive.start("--name", "attic", "--peer", central.listen[0])
        mobile.start(
            "--name", "laptop", "--peer", central.listen[0], "--peer", archive.listen[0],
            "--quota-bytes", str(BUFFER_BYTES), "--buffer-high", "80", "--buffer-low", "50",
        )  # fmt: skip
        mobile.wait_until(lambda: bool(mobile.status()["peers"] == 2), 30)
        yield mobile, central, archive


def all_hold(*nodes: Daemon) -> bool:
    return all(node.status()["holdings"]["held"] == SHOTS for node in nodes)


def is_in_mode(node: Daemon, mode: str) -> bool:
    return bool(node.status()["node"]["mode"] == mode)


def copies_line(page: Page, words: str) -> Locator:
    return page.get_by_test_id("copies-line").filter(has_text=words)


def see_what_came(page: Page, mobile: Daemon) -> None:
    """It shows by itself what came, how many copies there are, and how full the buffer is."""
    expect(copies_line(page, "3 or more copies")).to_have_attribute(
        "data-photos", str(SHOTS), timeout=SLOW_MS
    )
    told = mobile.get("/redundancy")
    assert [line["photos"] for line in told["copies"]] == [0, 0, 0, SHOTS]
    assert {node["name"] for node in told["nodes"]} == {"laptop", "studio", "attic"}  # by now
    for node in told["nodes"]:
        row = page.locator(f'[data-testid=copies-node][data-node="{node["node"]}"]')
        expect(row).to_have_attribute("data-photos", str(node["photos"]))
    nodes = page.get_by_test_id("copies-node")
    for name in ("laptop", "studio", "attic"):  # as they are called now
        expect(nodes.filter(has_text=name)).to_have_count(1)
    expect(page.get_by_test_id("calendar-verified")).to_contain_text("read and found right on")
    expect(page.get_by_test_id("calendar-part").first).to_contain_text("file", timeout=SLOW_MS)
    expect(page.get_by_test_id("buffer-detail")).to_contain_text("Full in about")
    expect(page.get_by_test_id("buffer-used")).to_contain_text("of 33.6 MB")
    expect(page.get_by_test_id("buffer-marks")).to_contain_text("(80%)")
    expect(page.get_by_test_id("buffer-forecast")).to_contain_text("Taking in")
    expect(page.get_by_test_id("may-go")).to_contain_text(f"{SHOTS} photos", timeout=SLOW_MS)


def see_who_is_in_the_way(page: Page, mobile: Daemon, archive: Daemon) -> None:
    """Stop the archive: its name is told, nothing goes; and that is over when it is back."""
    archive.stop()
    in_the_way = page.get_by_test_id("may-go").get_by_test_id("in-the-way")
    expect(in_the_way).to_contain_text("attic (archive) is not connected", timeout=SLOW_MS)
    page.get_by_test_id("evict-size").fill("2.5 MB")
    page.get_by_test_id("evict-foresee").click()
    plan = page.get_by_test_id("evict-plan")
    expect(plan.get_by_test_id("stays")).to_have_attribute("data-reason", "too-few-promises")
    expect(plan).to_contain_text(f"1 of {MIN_COPIES} nodes prove that they hold it")
    expect(plan.get_by_test_id("evict-now")).to_have_count(0)
    # What is asked for all the same is refused, and so it is told, whoever asked.
    mobile.send("POST", "/evictions", {"bytes": 2_500_000})
    expect(page.get_by_test_id("buffer-why-not")).to_contain_text(
        f"1 of {MIN_COPIES} nodes", timeout=SLOW_MS
    )
    headline = page.get_by_test_id("buffer-headline")
    expect(headline).to_have_text("It fills up, and too little of it may go.")
    archive.start()
    expect(in_the_way).to_have_count(0, timeout=SLOW_MS)
    expect(headline).not_to_contain_text("too little", timeout=SLOW_MS)


def test_originals_are_let_go_by_proof_and_what_is_in_the_way_is_named(
    tmp_path: Path, three: tuple[Daemon, Daemon, Daemon], page: Page
) -> None:
    mobile, central, archive = three
    page.goto(f"{mobile.url}/#/storage")
    expect(page.get_by_test_id("copies-headline")).to_have_text("There is no photo yet.")
    expect(page.get_by_test_id("left-none")).to_be_visible()
    expect(page.get_by_test_id("no-pins")).to_be_visible()
    expect(page.get_by_test_id("tree-off")).to_be_visible()

    shots = shoot(tmp_path / "card", range(SHOTS))
    mobile.send("POST", "/imports", {"folder": str(tmp_path / "card")})
    mobile.wait_until(lambda: all_hold(central, archive), 60)
    see_what_came(page, mobile)

    page.get_by_test_id("evict").locator("summary").press("Enter")
    size = page.get_by_test_id("evict-size")
    size.fill("a few")
    page.get_by_test_id("evict-foresee").click()
    expect(page.get_by_test_id("evict-wrong")).to_contain_text("is no size")
    size.fill("")
    page.get_by_test_id("evict-foresee").click()
    expect(page.get_by_test_id("evict-plan")).to_contain_text("Nothing need go")
    size.fill("2.5 MB")
    size.press("Enter")
    expect(page.get_by_test_id("evict-plan")).to_contain_text("3 photos")
    assert on_disk(mobile) >= set(shots), "nothing goes before somebody means it"
    page.get_by_test_id("evict-now").press("Enter")
    expect(page.get_by_test_id("evict-went")).to_contain_text("3 originals went", timeout=SLOW_MS)
    gone = check_floor(shots, mobile, [central, archive])
    assert len(gone) == 3
    left = page.get_by_test_id("left-photo")
    expect(left).to_have_count(3)
    assert {row.get_attribute("data-photo-id") for row in left.all()} == gone
    expect(left.first).to_contain_text("shot")
    expect(left.first).to_contain_text(re.compile("read their copies and signed to keep them"))
    expect(left.first).to_contain_text("studio")
    expect(left.first).to_contain_text("attic")
    expect(copies_line(page, "2 copies")).to_have_attribute("data-photos", "3", timeout=SLOW_MS)

    see_who_is_in_the_way(page, mobile, archive)
    assert check_floor(shots, mobile, [central, archive]) == gone


def test_an_album_and_a_query_are_pinned_here_and_unpinned(
    three: tuple[Daemon, Daemon, Daemon], page: Page
) -> None:
    _, central, _ = three
    album = central.send("POST", "/albums", {"name": "Iceland"})
    me = central.status()["node"]["id"]
    page.goto(f"{central.url}/#/storage")
    page.get_by_test_id("pin-query").fill("ratng>=3")
    page.get_by_test_id("pin-add").click()
    refused = page.get_by_test_id("pins").get_by_test_id("refused")
    expect(refused).to_have_attribute("data-code", "placement.rule-invalid")
    expect(refused).to_contain_text("ratng")
    page.get_by_test_id("pin-query").fill("tag:portfolio")
    page.get_by_test_id("pin-query").press("Enter")
    pin = page.get_by_test_id("pin").filter(has_text="tag:portfolio")
    expect(pin).to_have_attribute("data-here", "true")
    expect(pin).to_contain_text("kept on this node · 0 photos")
    expect(refused).to_have_count(0)
    page.get_by_test_id("pin-what").select_option(album["id"])
    page.get_by_test_id("pin-on").select_option(label="laptop")
    page.get_by_test_id("pin-add").click()
    on_laptop = page.get_by_test_id("pin").filter(has_text="The album Iceland")
    expect(on_laptop).to_contain_text("kept on laptop")
    rules = {rule["text"] for rule in central.get("/policies/placement")["rules"]}
    assert f"where tag:portfolio: keep on {me}" in rules
    assert any(rule.startswith(f"where album:{album['id']}: keep on ") for rule in rules)
    # What the command line pins is there at once; a rule that says more is not taken back here.
    photonic(central.home, "pin", "kind:raw")
    expect(page.get_by_test_id("pin").filter(has_text="kind:raw")).to_be_visible()
    more = "where rating:5: copies 3, keep on archive"
    photonic(central.home, "policy", "placement", "add", more)
    wider = page.get_by_test_id("pin").filter(has_text="rating:5")
    expect(wider).to_contain_text("part of a rule that says more")
    expect(wider.get_by_test_id("unpin")).to_have_count(0)
    pin.get_by_test_id("unpin").click()
    expect(pin).to_have_count(0)
    rules = {rule["text"] for rule in central.get("/policies/placement")["rules"]}
    assert f"where tag:portfolio: keep on {me}" not in rules
    assert more in rules


def test_what_a_token_may_not_do_is_not_offered_and_the_mode_is_told(
    three: tuple[Daemon, Daemon, Daemon], page: Page
) -> None:
    mobile, _, archive = three
    for node, mode in ((mobile, "home"), (archive, "archive")):
        node.wait_until(partial(is_in_mode, node, mode), 30)
        page.goto(f"{node.url}/#/storage")
        expect(page.get_by_test_id("mode")).to_have_attribute("data-mode", mode)
        page.goto(f"{node.url}/#/nodes")
        expect(page.get_by_test_id("this-node").get_by_test_id("mode")).to_be_visible()
    made = mobile.send(
        "POST", "/tokens", {"name": "phone", "scopes": ["catalog.read"], "ttl_s": 3600}
    )
    page.context.clear_cookies()
    page.set_extra_http_headers({"Authorization": f"Bearer {made['text']}"})
    page.goto(f"{mobile.url}/#/storage")
    expect(page.get_by_test_id("buffer-headline")).to_be_visible()
    expect(page.get_by_test_id("evict-scope")).to_contain_text("jobs.run")
    expect(page.get_by_test_id("left-scope")).to_contain_text("members.admin")
    for act in ("evict", "pin-add", "unpin", "refused"):
        expect(page.get_by_test_id(act)).to_have_count(0)


# What reaches beyond the right rim, but for what is meant to be seen by screen readers alone.
BEYOND = """() => [...document.querySelectorAll("header *, main.sheet *")]
    .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
    .map((e) => `${e.tagName} ${e.textContent}`)"""


def test_on_a_phone_nothing_is_beyond_its_rim(tmp_path: Path, page: Page) -> None:
    shoot(tmp_path / "card", range(2))
    with daemons(tmp_path / "studio") as (studio,):
        studio.start("--name", "studio", "--tree", str(tmp_path / "studio/tree"))
        photonic(studio.home, "import", str(tmp_path / "card"))
        photonic(studio.home, "pin", "tag:" + "portfolio" * 5)
        page.set_viewport_size({"width": 360, "height": 740})
        page.goto(f"{studio.url}/#/storage")
        expect(page.get_by_test_id("tree-counts")).to_contain_text("2 photos", timeout=SLOW_MS)
        expect(page.get_by_test_id("nfs-off")).to_be_visible()
        expect(page.get_by_test_id("pin")).to_be_visible()
        expect(page.get_by_test_id("copies-line").first).to_contain_text("1 copy")
        expect(page.get_by_test_id("calendar-part").first).to_be_visible()
        assert page.evaluate(BEYOND) == []


def test_the_tree_its_mount_command_its_rules_and_what_darktable_wrote_are_told(
    tmp_path: Path, page: Page
) -> None:
    shoot(tmp_path / "card", range(3))
    with exporting(tmp_path / "studio") as node:
        node.export()
        page.goto(f"{node.url}/#/storage")
        card = page.get_by_test_id("exports")
        expect(card).to_have_attribute("data-nfs", "serving")
        photonic(node.home, "import", str(tmp_path / "card"))
        expect(page.get_by_test_id("tree-counts")).to_contain_text("3 photos", timeout=SLOW_MS)
        expect(page.get_by_test_id("tree-state")).to_contain_text("Ready")
        expect(page.get_by_test_id("mount-command")).to_have_text(
            f"sudo mount -t nfs4 -o vers=4.2,port={node.port} 127.0.0.1:/photos /mnt/photos"
        )
        expect(page.get_by_test_id("no-write-backs")).to_be_visible()

        path = next(node.tree.rglob("*.jpg")).relative_to(node.tree)
        with client(node.port) as mounted:
            wait_for(lambda: f"photos/{path}" in files_in(mounted), SLOW_MS / 1_000)
            write(mounted, f"photos/{path}.xmp", xmp(4))
        row = page.get_by_test_id("write-back")
        expect(row).to_contain_text(path.name, timeout=SLOW_MS)
        expect(row).to_contain_text("rating")
        expect(page.get_by_test_id("taken-in")).to_contain_text("1 sidecar", timeout=SLOW_MS)
        # Half a sidecar is refused, and that is told with its code and what to do.
        (node.tree / f"{path}.xmp").write_bytes(xmp(2)[:300])
        problem = page.get_by_test_id("tree-problem")
        expect(problem).to_have_attribute("data-code", "ingest.sidecar-invalid", timeout=SLOW_MS)
        (node.tree / f"{path}.xmp").write_bytes(xmp(2))
        expect(problem).to_have_count(0, timeout=SLOW_MS)

        page.get_by_test_id("export-client").fill("10.0.0.1/8")
        page.get_by_test_id("export-allow").click()
        refused = card.get_by_test_id("refused")
        expect(refused).to_have_attribute("data-code", "nfs.rule-invalid")
        page.get_by_test_id("export-client").fill("10.0.0.7")
        page.get_by_test_id("export-allow").click()
        rule = page.locator('[data-testid=export-rule][data-rule="10.0.0.7 ro"]')
        expect(rule).to_contain_text("reads only", timeout=SLOW_MS)
        assert node.exports["nfs"]["rules"] == ["127.0.0.1 rw", "10.0.0.7 ro"]
        rule.get_by_test_id("export-forbid").click()
        expect(rule).to_have_count(0, timeout=SLOW_MS)
        photonic(node.home, "nfs", "--allow", "10.0.0.8 ro")
        expect(page.locator('[data-rule="10.0.0.8 ro"]')).to_be_visible(timeout=SLOW_MS)
        page.get_by_test_id("export-reset").click()
        expect(page.get_by_test_id("export-rule")).to_have_count(1, timeout=SLOW_MS)
        assert node.exports["nfs"]["rules"] == ["127.0.0.1 rw"]
