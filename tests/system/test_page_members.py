"""Members on the page, in real Chromium: an invitation with its QR code, rights, a revocation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from photonic.p2p.invitations import parse_code
from simulations.daemons import daemons, join
from tests.system.test_page import ARGUMENTS, CHROMIUM, PAGE

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(not PAGE.exists(), reason="the page is not built: scripts/page"),
]


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser.new_page(viewport={"width": 1280, "height": 900})
        browser.close()


def test_somebody_is_invited_made_an_admin_and_revoked(tmp_path: Path, page: Page) -> None:
    with daemons(tmp_path / "studio", tmp_path / "laptop") as (studio, laptop):
        studio.start("--name", "studio")
        join(studio, laptop)
        laptop.start("--name", "laptop", "--peer", studio.listen[0])
        studio.wait_until(lambda: studio.status()["peers"] == 1)
        page.goto(f"{studio.url}/#/nodes")

        page.get_by_test_id("invite").click()
        page.get_by_test_id("invite-life").select_option("7776000")
        page.get_by_test_id("invite-dialog").get_by_text("What it may do").click()
        page.get_by_label("Keep copies that count").uncheck()
        page.get_by_test_id("invite-make").click()
        picture = page.get_by_alt_text("QR code of the invitation")
        expect(picture).to_be_visible()
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
        code = page.get_by_test_id("invite-code").get_attribute("data-code")
        assert (
            code is not None and parse_code(code).library.hex() == studio.status()["library"]["id"]
        )
        page.keyboard.press("Escape")

        row = page.locator("[data-testid=member][data-name=laptop]")
        expect(row).to_contain_text("member")
        row.get_by_test_id("make-admin").click()
        expect(row).to_contain_text("admin")
        row.get_by_test_id("revoke").click()
        meaning = page.get_by_test_id("revoke-meaning")
        expect(meaning).to_contain_text("Its copies do not count any more")
        expect(meaning).to_contain_text("the whole catalog")
        page.get_by_test_id("revoke-confirm").click()
        expect(row).to_have_attribute("data-revoked", "true")
        studio.wait_until(lambda: studio.status()["peers"] == 0)
        row.get_by_test_id("restore-member").click()
        expect(row).to_have_attribute("data-revoked", "false")
