"""Walk the built page in real Chromium, take pictures of it, and report every console complaint.

A development tool: `npm run build && npm run preview -- --port 4173`, then
`python dev/look.py http://127.0.0.1:4173 FOLDER`. Exits with 1 if the browser complained.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# Refusals that belong to the walk; the browser tells of each: a photo that has no preview yet, and
# the query that cannot be read.
REFUSALS = ("404 (Not Found)", "400 (Bad Request)")
SIZES = {"wide": (1440, 900), "phone": (390, 844)}


def walk(page: Page, base: str, folder: Path, name: str) -> None:
    """Visit every view and take a picture of each."""

    def shot(what: str) -> None:
        page.wait_for_timeout(500)  # pictures fade in
        page.screenshot(path=folder / f"{name}-{what}.png")

    page.goto(base)
    page.get_by_test_id("tile").first.wait_for()
    shot("grid")
    page.get_by_test_id("grid").locator("..").evaluate("e => e.scrollTop = 900")
    shot("grid-scrolled")
    search = page.get_by_test_id("filter-text")
    search.fill("harbour ratng>=3")
    page.get_by_test_id("query-error").wait_for()
    shot("query-error")
    search.fill("tag:")
    page.get_by_test_id("suggestion").first.wait_for()
    shot("suggestions")
    search.fill("")
    search.press("Escape")
    page.goto(f"{base}/#/")
    months = page.get_by_test_id("months")
    box = months.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.7)
    if name == "wide":
        page.get_by_test_id("month-tip").wait_for()
        shot("month-tip")
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.7)
    shot("month")
    page.goto(f"{base}/#/")
    page.get_by_test_id("albums-toggle").click()
    page.get_by_test_id("album").first.wait_for()
    shot("albums")
    page.get_by_test_id("albums-toggle").click()
    for tile in (2, 3, 5):
        page.get_by_test_id("tile").nth(tile).click(modifiers=["Control"])
    shot("selection")
    page.get_by_test_id("selection").get_by_test_id("star-4").click()
    page.get_by_test_id("notice-action").wait_for()
    shot("bulk-edit")
    page.get_by_test_id("tile").nth(4).click(modifiers=["Control"])
    page.get_by_test_id("selection-trash").click()
    page.goto(f"{base}/#/trash")
    page.get_by_test_id("trashed").first.wait_for()
    shot("trash")
    page.goto(f"{base}/#/history")
    page.get_by_test_id("act").first.wait_for()
    shot("history")
    page.goto(f"{base}/#/audit")
    page.get_by_test_id("audit-entry").first.wait_for()
    page.get_by_test_id("audit-verify").click()
    page.get_by_test_id("audit-verdict").wait_for()
    shot("audit")
    page.goto(f"{base}/#/?q=is%3Acontested")
    page.locator(".contested").first.wait_for()
    shot("filtered")
    page.get_by_test_id("tile").first.click()
    page.get_by_test_id("version").first.wait_for()
    shot("photo-contested")
    page.keyboard.press("Escape")
    page.goto(f"{base}/#/")
    page.get_by_test_id("tile").nth(3).click()
    page.get_by_test_id("rating").last.wait_for()
    page.get_by_test_id("history").locator("summary").click()
    page.get_by_test_id("said").last.wait_for()
    shot("photo")
    page.goto(f"{base}/#/conflicts")
    page.get_by_test_id("keep").first.wait_for()
    shot("conflicts")
    page.goto(f"{base}/#/storage")
    for card in ("copies-headline", "left-photo", "pin", "mount-command", "calendar-part"):
        page.get_by_test_id(card).first.wait_for()
    shot("storage")
    page.get_by_test_id("exports").scroll_into_view_if_needed()
    shot("storage-files")
    page.goto(f"{base}/#/nodes")
    page.get_by_test_id("peer").first.wait_for()
    shot("nodes")
    page.get_by_test_id("invite").click()
    page.get_by_test_id("invite-make").click()
    page.get_by_test_id("invite-code").wait_for()
    shot("invite")
    page.keyboard.press("Escape")


def main(base: str, folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        for name, (width, height) in SIZES.items():
            phone = name == "phone"
            context = browser.new_context(
                viewport={"width": width, "height": height},
                device_scale_factor=2 if phone else 1,
                has_touch=phone,
                is_mobile=phone,
            )
            page = context.new_page()
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            walk(page, base, folder, name)
            context.close()
        browser.close()
    unexpected = [text for text in complaints if not text.endswith(REFUSALS)]
    said = "\n".join(unexpected) or f"no complaints, pictures in {folder}"
    sys.stdout.write(f"{said}\n")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].rstrip("/"), Path(sys.argv[2])))
