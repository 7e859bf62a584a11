"""A node whose page other machines reach: the command line and real Chromium, over TLS."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

from photonic import api
from photonic.ingest.samples import make_samples
from simulations.daemons import Daemon, daemons, photonic
from tests.system.test_page import ARGUMENTS, CHROMIUM
from tests.system.test_page import PAGE as BUILT

COUNT = 6


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("elsewhere")
    make_samples(folder / "samples", COUNT)
    with daemons(folder / "studio") as (studio,):
        studio.start("--name", "studio", "--https", "127.0.0.1:0")
        photonic(studio.home, "import", str(folder / "samples"))
        yield studio


def remote(studio: Daemon, folder: Path, text: str, *words: str, fingerprint: str | None = None,
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Run a verb as another machine would: without the node's home."""
    status = studio.status()
    (folder / "token").write_text(text + "\n")
    pin = status["fingerprint"] if fingerprint is None else fingerprint
    return photonic(
        folder / "no-home", "--node", status["https"], "--token-file", str(folder / "token"),
        *(["--fingerprint", pin] if pin else []), *words, check=False,
    )  # fmt: skip


def token(studio: Daemon, *words: str) -> dict[str, str]:
    told = photonic(studio.home, "--json", "token", "create", "--name", "phone", *words)
    answer: dict[str, str] = json.loads(told.stdout)
    return answer


def test_the_command_line_reaches_it_with_a_token_and_the_certificate_that_was_compared(
    studio: Daemon, tmp_path: Path
) -> None:
    text = token(studio)["text"]
    assert "SHA-256" not in text
    told = remote(studio, tmp_path, text, "--json", "status")
    assert json.loads(told.stdout)["photos"] == COUNT, told.stderr
    assert remote(studio, tmp_path, text, "ls").stdout.count("\n") >= COUNT
    shown = photonic(studio.home, "status").stdout
    assert studio.status()["fingerprint"] in shown and studio.status()["https"] in shown


def test_the_command_line_says_what_is_wrong_and_never_shows_the_token(
    studio: Daemon, tmp_path: Path
) -> None:
    text = token(studio)["text"]
    other = "AA:" * 31 + "AA"
    cases = {
        "cli.certificate-unknown": (remote(studio, tmp_path, text, "status", fingerprint=other)),
        "http.token-needed": remote(studio, tmp_path, "photonic_wrong", "status"),
        "http.scope-missing": remote(studio, tmp_path, text, "pause"),
        "cli.usage": remote(studio, tmp_path, text, "import", str(tmp_path)),
    }
    for code, told in cases.items():
        assert told.returncode not in (0, 1), code
        assert code.split(".")[1] in ERRORS[told.returncode], (code, told.stderr)
        assert text not in told.stderr + told.stdout
    # Whoever gives no fingerprint is told the one that is shown, to compare it.
    told = remote(studio, tmp_path, text, "status", fingerprint="")
    assert studio.status()["fingerprint"] in told.stderr
    assert told.returncode == cases["cli.certificate-unknown"].returncode
    in_clear = photonic(
        tmp_path / "no-home", "--node", "http://192.0.2.1:8640", "status", check=False
    )
    assert "in the clear" in in_clear.stderr
    assert not (tmp_path / "no-home").exists()


ERRORS = {121: "certificate-unknown", 95: "token-needed", 96: "scope-missing", 103: "usage"}


def test_a_restart_keeps_tokens_and_the_certificate(studio: Daemon, tmp_path: Path) -> None:
    text, before = token(studio)["text"], studio.status()["fingerprint"]
    studio.stop()
    studio.start()
    assert studio.status()["fingerprint"] == before
    assert remote(studio, tmp_path, text, "status").returncode == 0
    assert text not in (studio.home / "tokens.json").read_text()
    assert text not in studio.errors()


# --- the page ------------------------------------------------------------------------------------

with_browser = [
    pytest.mark.chromium,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(not BUILT.exists(), reason="the page is not built: scripts/page"),
]


@pytest.fixture
def faults() -> Iterator[list[str]]:
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def browser(faults: list[str]) -> Iterator[BrowserContext]:
    expect.set_options(timeout=30_000)  # the machine may be busy
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        # Somebody compared the fingerprint and told the browser to go on.
        context = chromium.new_context(
            viewport={"width": 1280, "height": 900}, ignore_https_errors=True
        )
        context.on("weberror", lambda error: faults.append(str(error.error)))
        # That a session ended is no fault of the page.
        excused = ("401 (", "net::ERR_INCOMPLETE_CHUNKED_ENCODING", "net::ERR_EMPTY_RESPONSE")
        context.on(
            "console",
            lambda m: (
                faults.append(m.text)
                if m.type == "error" and not any(words in m.text for words in excused)
                else None
            ),
        )
        yield context
        chromium.close()
    expect.set_options(timeout=5_000)


def shot(page: Page, name: str) -> None:
    folder = Path(api.__file__).parents[2] / ".cache" / "shots"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(folder / f"{name}.png"))


class TestPage:
    pytestmark = with_browser

    def test_a_token_that_is_typed_logs_in_and_a_wrong_one_does_not(
        self, studio: Daemon, browser: BrowserContext
    ) -> None:
        page = browser.new_page()
        page.goto(studio.status()["https"])
        expect(page.get_by_test_id("login-view")).to_be_visible()
        assert studio.status()["library"]["name"] not in page.content()
        page.get_by_test_id("login-token").fill("photonic_wrong")
        page.get_by_test_id("login").click()
        expect(page.get_by_test_id("login-refusal")).to_contain_text("wrong")
        shot(page, "login")
        page.get_by_test_id("login-token").fill(token(studio)["text"])
        page.get_by_test_id("login").click()
        expect(page.get_by_test_id("tile").first.locator("img")).to_be_visible()
        [cookie] = browser.cookies()
        assert (cookie["name"], cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (
            "__Host-photonic", True, True, "Strict",
        )  # fmt: skip
        assert page.evaluate("document.cookie") == ""
        page.reload()
        expect(page.get_by_test_id("tile").first).to_be_visible()

    def test_a_link_logs_in_and_leaves_no_token_in_the_address(
        self, studio: Daemon, browser: BrowserContext
    ) -> None:
        page, made = browser.new_page(), token(studio)
        page.goto(made["link"])
        expect(page.get_by_test_id("tile").first).to_be_visible()
        assert made["text"] not in page.url
        page.goto(f"{studio.status()['https']}/#/nodes")
        expect(page.get_by_test_id("log-out")).to_be_visible()
        expect(page.get_by_test_id("tokens")).to_have_count(0)  # may not make any
        page.get_by_test_id("log-out").click()
        expect(page.get_by_test_id("login-view")).to_be_visible()
        page.reload()
        expect(page.get_by_test_id("login-view")).to_be_visible()

    def test_tokens_are_made_and_revoked_on_the_page_of_the_nodes_machine(
        self, studio: Daemon, browser: BrowserContext
    ) -> None:
        here, there = browser.new_page(), browser.new_page()
        here.goto(f"{studio.url}/#/nodes")
        expect(here.get_by_test_id("fingerprint")).to_have_text(studio.status()["fingerprint"])
        here.get_by_test_id("token-name").fill("tablet")
        here.get_by_test_id("token-create").click()
        text = here.get_by_test_id("token-text")
        expect(text).to_contain_text("photonic_")
        here.get_by_test_id("tokens").scroll_into_view_if_needed()
        shot(here, "tokens")
        there.goto(f"{studio.status()['https']}/#/login?token={text.inner_text()}")
        expect(there.get_by_test_id("tile").first).to_be_visible()
        row = here.get_by_test_id("token").filter(has_text="tablet")
        row.get_by_test_id("token-revoke").click()
        expect(row).to_have_count(0)
        # The stream of events ends with the token, and the page there notices by itself.
        expect(there.get_by_test_id("login-view")).to_be_visible(timeout=10_000)
