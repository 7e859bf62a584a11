"""`python -m tests.picture`: make docs/page.png anew, from a real node in real Chromium."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from photonic.ingest.samples import make_samples
from simulations.daemons import daemons, join, photonic

TARGET = Path(__file__).parents[1] / "docs" / "page.png"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        make_samples(place / "samples", 24)
        with daemons(place / "studio", place / "laptop") as (studio, laptop):
            studio.start("--name", "studio")
            photonic(studio.home, "import", str(place / "samples"))
            join(studio, laptop, role="mobile")
            laptop.role = "mobile"
            laptop.start("--name", "laptop", "--peer", studio.listen[0])
            laptop.wait_until(lambda: laptop.status()["photos"] == 24)
            _draw(studio.url)


def _draw(url: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
        page.goto(url)
        expect(page.get_by_test_id("tile").nth(5).locator("img")).to_be_visible()
        loading = page.locator('[data-testid="tile"][data-preview="loading"]')
        expect(loading).to_have_count(0, timeout=30_000)
        page.evaluate("Promise.all([...document.images].map(image => image.decode()))")
        page.screenshot(path=TARGET)
        browser.close()


if __name__ == "__main__":
    main()
