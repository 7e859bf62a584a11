"""The page of a further library, in a real browser: it shows that library, and goes to another."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from photonic.ingest.samples import make_samples
from simulations.daemons import daemons, photonic
from tests.system.test_page import page  # noqa: F401 - a fixture
from tests.system.two_libraries import add

pytestmark = pytest.mark.chromium


def test_each_page_shows_its_library_and_one_goes_to_the_other(
    tmp_path: Path,
    page: Page,  # noqa: F811
) -> None:
    with daemons(tmp_path / "studio") as (machine,):
        machine.start("--library-name", "Lagoon")
        page.goto(f"{machine.url}/")
        expect(page.locator("header .library")).to_have_text("Lagoon")
        expect(page.get_by_test_id("libraries")).to_have_count(0)
        ben = add(machine, "ben", "--name", "Cellar")
        page.goto(f"{ben.url}/")
        expect(page.locator("header .library")).to_have_text("Cellar")
        make_samples(tmp_path / "card", 1)
        photonic(ben.home, "import", str(tmp_path / "card"))
        expect(page.get_by_test_id("photo-count")).to_have_attribute("data-value", "1")
        choice = page.get_by_test_id("libraries")
        expect(choice.locator("option")).to_have_text(["Lagoon", "Cellar"])
        choice.select_option("/")
        expect(page.locator("header .library")).to_have_text("Lagoon")
        expect(page.get_by_test_id("photo-count")).to_have_attribute("data-value", "0")
        assert page.url.startswith(f"{machine.url}/") and "/l/" not in page.url
