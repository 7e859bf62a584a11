"""The log: both ways of logging read alike, secrets stay out, and the file is bounded JSON."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from photonic.logs import set_up_logs, write_crash


@pytest.fixture(autouse=True)
def root_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in handlers:
            root.removeHandler(handler)
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_plain_and_structured_logging_read_alike(tmp_path: Path) -> None:
    stream = io.StringIO()
    set_up_logs(level="info", style="json", file=tmp_path / "node.log", stream=stream)
    structlog.get_logger("photonic.a").info("taken in", photos=3)
    logging.getLogger("photonic.b").warning("no room on %s", "disk")
    logging.getLogger("photonic.b").debug("not told")
    for told in (lines(stream.getvalue()), lines((tmp_path / "node.log").read_text())):
        assert [(one["event"], one["level"], one["logger"]) for one in told] == [
            ("taken in", "info", "photonic.a"),
            ("no room on disk", "warning", "photonic.b"),
        ]
        assert told[0]["photos"] == 3
        assert all("timestamp" in one for one in told)


def test_secrets_are_left_out() -> None:
    stream = io.StringIO()
    set_up_logs(level="info", style="json", file=None, stream=stream)
    structlog.get_logger("photonic").info("invited", code="abc-def", role="mobile")
    logging.getLogger("photonic").info("invited", extra={"token": "abc-def"})
    assert "abc-def" not in stream.getvalue()
    assert "mobile" in stream.getvalue()


def test_the_console_shows_a_traceback(tmp_path: Path) -> None:
    stream = io.StringIO()
    set_up_logs(level="info", style="console", file=None, stream=stream)
    try:
        raise ValueError("torn frame")
    except ValueError:
        logging.getLogger("photonic").exception("a peer misbehaved")
    assert "a peer misbehaved" in stream.getvalue()
    assert "ValueError: torn frame" in stream.getvalue()


def test_chatty_libraries_are_quiet() -> None:
    stream = io.StringIO()
    set_up_logs(level="debug", style="json", file=None, stream=stream)
    logging.getLogger("libp2p.network.swarm").error("no muxer: the peer refused us")
    logging.getLogger("watchfiles.main").info("changes")
    logging.getLogger("watchfiles.main").warning("refused")
    assert [one["event"] for one in lines(stream.getvalue())] == ["refused"]


def test_a_log_that_cannot_be_written_is_told_and_stops_nothing(tmp_path: Path) -> None:
    stream = io.StringIO()
    set_up_logs(level="info", style="json", file=tmp_path / "absent" / "x.log", stream=stream)
    logging.getLogger("photonic").info("goes on")
    assert [one["event"] for one in lines(stream.getvalue())] == ["no log file", "goes on"]


def test_the_last_set_up_counts(tmp_path: Path) -> None:
    first, second = io.StringIO(), io.StringIO()
    set_up_logs(level="info", style="json", file=tmp_path / "node.log", stream=first)
    set_up_logs(level="info", style="json", file=None, stream=second)
    logging.getLogger("photonic").info("once")
    assert first.getvalue() == ""
    assert len(lines(second.getvalue())) == 1


def test_a_crash_is_appended_with_its_traceback(tmp_path: Path) -> None:
    for number in range(2):
        try:
            raise RuntimeError(f"crash {number}")
        except RuntimeError:
            write_crash(tmp_path / "cli.log")
    told = lines((tmp_path / "cli.log").read_text())
    assert ["crash 0" in told[0]["exception"], "crash 1" in told[1]["exception"]] == [True, True]
