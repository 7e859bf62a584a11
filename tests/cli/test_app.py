"""The entry point: shared options on either side of the verb, errors in two forms, no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from photonic import __version__
from photonic.cli.loading import VERBS
from photonic.errors import NodeNotRunning, UsageInvalid
from photonic.home import CLI_LOG, HOME_VARIABLE
from tests.cli.running import CommandLine


@pytest.fixture
def photonic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path, capsys)


def test_json_may_stand_before_and_after_the_verb(photonic: CommandLine) -> None:
    assert photonic("--json", "version").json["version"] == __version__
    assert photonic("version", "--json").json["version"] == __version__


def test_home_after_the_verb_wins(photonic: CommandLine, tmp_path: Path) -> None:
    other = tmp_path / "other home"
    failed = photonic("status", "--home", str(other))
    assert failed.status == NodeNotRunning.exit_status
    assert f"photonic --home '{other}' node" in failed.err


def test_home_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "from environment"))
    photonic = CommandLine(tmp_path, capsys)
    assert "from environment" in photonic("--home", "", "status").err


def test_an_error_is_two_lines_for_people(photonic: CommandLine) -> None:
    failed = photonic("peers")
    assert failed.status == NodeNotRunning.exit_status
    assert failed.out == ""
    message, fix = failed.err.splitlines()
    assert message == f"no node runs for {photonic.home}"
    assert fix.startswith("→ Start it: `photonic --home ")


def test_an_error_is_json_with_json(photonic: CommandLine) -> None:
    failed = photonic("peers", "--json")
    assert failed.status == NodeNotRunning.exit_status
    assert failed.error["code"] == NodeNotRunning.code
    assert set(failed.error) == {"code", "message", "fix"}


@pytest.mark.parametrize(
    "arguments", [("fly",), ("ls", "--wings"), ("ls", "--limit", "many"), ("join",), ("--wings",)]
)
def test_a_command_line_that_cannot_be_read_says_so(
    photonic: CommandLine, arguments: tuple[str, ...]
) -> None:
    failed = photonic(*arguments)
    assert failed.status == UsageInvalid.exit_status
    assert len(failed.err.splitlines()) == 2
    assert photonic("--json", *arguments).error["code"] == UsageInvalid.code


def test_all_bad_settings_are_told_at_once(photonic: CommandLine) -> None:
    failed = photonic("node", "--role", "boss", "--http", "0.0.0.0:1", "--json")
    assert failed.status == 10
    assert [problem.partition(":")[0] for problem in failed.error["problems"]] == ["role", "http"]


def test_a_crash_is_one_line_and_the_log_has_the_rest(
    photonic: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode() -> None:
        raise RuntimeError("out of film")

    monkeypatch.setattr("photonic.cli.app.load_grammar", explode)
    monkeypatch.setenv(HOME_VARIABLE, str(photonic.home))
    failed = photonic("status")
    assert failed.status == 1
    assert "Traceback" not in failed.err
    log = photonic.home / CLI_LOG
    assert str(log) in failed.err
    entry = json.loads(log.read_text())
    assert "out of film" in entry["exception"]
    assert "Traceback" in entry["exception"]


def test_an_interrupt_is_quiet(photonic: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("photonic.cli.app.load_grammar", interrupt)
    stopped = photonic("status")
    assert (stopped.status, stopped.out, stopped.err) == (130, "", "")


def test_help_lists_every_verb(photonic: CommandLine) -> None:
    shown = photonic("--help")
    assert shown.status == 0
    assert all(f" {verb} " in shown.out for verb in VERBS)


def test_version_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from photonic.cli.app import main\n"
        "try: main(['version'])\n"
        "except SystemExit: pass\n"
        "print(*(name for name in ('libp2p', 'trio', 'pycrdt', 'fastapi', 'pydantic', 'typer',"
        " 'httpx', 'rich', 'pyexiv2') if name in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.splitlines() == [f"photonic {__version__}", ""]
