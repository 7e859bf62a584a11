"""Reports of histories: what is drawn, that nothing is left out unseen, and that names are text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring, tostring

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.__main__ import main
from simulations.bundles import bundles, gaps, running_totals
from simulations.copies import Copies
from simulations.diagram import SHAPES
from simulations.drawing import apart, element, moment, ticks_s, visible
from simulations.outcomes import line
from simulations.report import PICTURES, frames, html, write_pictures
from simulations.story import (
    LEFT_OUT,
    MARKED_ACTS,
    MARKS,
    PHOTOS,
    TOLD,
    Sent,
    Span,
    Story,
    spans,
    tell,
)
from simulations.tallies import tally
from simulations.trace import Event
from tests import story as story_command
from tests.simulations.test_tallies import outcome

_ROOT = Path(__file__).parents[2]
_HOSTILE = '"><script>alert(1)</script><img src=x onerror=y>\u202e\x07'

_BEGAN = {
    "scenario": "s", "title": "A title", "seed": 1, "nodes": {"a": "mobile", "b": "central"},
    "scale": 10, "photo_bytes": 1_000, "min_copies": 2,
}  # fmt: skip
# One event of every kind that is told: the page must be another one without it.
_EVENTS = [
    Event(0.0, "", "began", _BEGAN),
    Event(0.5, "a", "started", {}),
    Event(0.6, "b", "started", {}),
    Event(0.7, "b", "joined", {"other": "a"}),
    Event(0.8, "a", "place", {"place": "home"}),
    Event(1.0, "a", "act", {"at_s": 0.9, "do": "shoot", "node": "a"}),
    Event(1.1, "a", "copies", {"photo": "p1", "holders": ["a"]}),
    Event(1.2, "a", "accepted", {"act": "shoot", "photo": "p1"}),
    Event(1.3, "a", "message",
          {"to": "b", "protocol": "/photonic/blobs/1", "bytes": 100, "arrives_s": 1.4}),
    Event(1.5, "b", "copies", {"photo": "p1", "holders": ["a", "b"]}),
    Event(1.6, "b", "rotted", {"photo": "p1"}),
    Event(2.0, "a", "act", {"at_s": 1.9, "do": "rate", "node": "a", "value": 3}),
    Event(2.1, "a", "refused", {"act": "rate", "code": "some.code"}),
    Event(2.2, "b", "act", {"at_s": 2.0, "do": "tag", "node": "b", "value": "sea"}),
    Event(2.3, "b", "passed over", {"do": "tag", "why": "it knows no photo"}),
    Event(3.0, "a", "link", {"other": "b", "is_open": False, "why": ["partition"]}),
    Event(3.1, "b", "conflict", {"photo": "p1", "field": "rating", "values": 2}),
    Event(3.2, "b", "killed", {"how": "", "lost": 10}),
    Event(3.3, "b", "rolled back", {"since_s": 1.0}),
    Event(3.4, "a", "stranger", {"learned": []}),
    Event(3.45, "b", "forged", {"other": "a", "photo": "p1", "change": "c"}),
    Event(3.46, "b", "purged", {"photos": ["p1"]}),
    Event(3.47, "a", "evicted", {"photo": "p1", "others": ["b"]}),
    Event(3.5, "a", "revoked", {"other": "b"}),
    Event(3.6, "", "revocation known", {"other": "b"}),
    Event(3.7, "a", "stopped", {}),
    Event(4.0, "", "healed", {}),
    Event(4.5, "", "violation", {"checker": "I6", "text": "lost"}),
    Event(5.0, "", "converged", {}),
    Event(6.0, "", "ended", {"figures": {"photos": 1}}),
]  # fmt: skip


def _page(events: list[Event]) -> str:
    story = tell(events)
    drawn = html([story], []).decode()
    return drawn + "".join(map(str, story.figures.items()))


class _Parser(HTMLParser):
    """Counts elements, and fails at any that loads or runs something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags = list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert tag not in ("script", "img", "link", "iframe", "object", "use", "image")
        for name, value in attrs:
            assert not name.startswith("on"), name
            assert name not in ("src", "href"), (name, value)


def test_every_kind_of_the_trace_is_told_or_left_out_with_a_reason() -> None:
    table = (_ROOT / "simulations" / "trace.py").read_text(encoding="utf-8").split('"""')[1]
    cells = re.findall(r"^\| (`.*?) \|", table, re.M)
    kinds = {kind for cell in cells for kind in re.findall(r"`([^`]+)`", cell)}
    kinds.add("passed over")  # told with `act`
    assert kinds == TOLD.keys() | LEFT_OUT.keys()
    emitted = {
        kind
        for path in (_ROOT / "simulations").glob("*.py")
        for kind in re.findall(r"tell\([\w.\"]*, \"([a-z ]+)\"", path.read_text(encoding="utf-8"))
    }
    assert emitted <= TOLD.keys() | LEFT_OUT.keys()
    assert {event.kind for event in _EVENTS} == TOLD.keys()


@pytest.mark.parametrize("kind", sorted(TOLD))
def test_without_an_event_the_page_is_another_one(kind: str) -> None:
    assert _page([event for event in _EVENTS if event.kind != kind]) != _page(_EVENTS)


@pytest.mark.parametrize(
    "words",
    [
        "a runs, 00:00:00.500 to 00:00:03.700",
        "nothing passes from a to b (partition), 00:00:03.000 to 00:00:06.000",
        "00:00:01.000 shoot a (accepted, and durable)",
        "00:00:02.000 rate a value=3 (refused: some.code)",
        "00:00:02.200 tag b value=sea (passed over: it knows no photo)",
        "00:00:03.200 b killed: lost 10",
        "all faults undone, at 00:00:04.000",
        "00:00:04.500 violation: checker I6, text lost",
    ],
)
def test_what_is_drawn_says_what_it_is(words: str) -> None:
    story = tell(_EVENTS)
    for frame in frames(story):
        drawn = PICTURES["space-time"](story, frame)
        assert words in {title.text for title in drawn.iter("title")}


def test_every_mark_has_a_shape_or_an_upright_line() -> None:
    assert SHAPES.keys() | {"healed", "converged"} == MARKS | MARKED_ACTS


def test_every_node_is_drawn_also_one_that_only_sends() -> None:
    sent = {"to": "c", "protocol": "x", "bytes": 1, "arrives_s": None}
    story = tell([*_EVENTS, Event(5.5, "d", "message", sent)])
    assert {lane.name for lane in story.lanes} == {"a", "b", "c", "d"}
    for frame in frames(story):
        drawn = PICTURES["space-time"](story, frame)
        names = {text.text for text in drawn.iter("text") if "name" in text.get("class", "")}
        assert names == {"a", "b", "c", "d"}


def _hostile(value: Any) -> Any:
    if isinstance(value, dict):
        return {_hostile(k) if k == "a" else k: _hostile(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_hostile(one) for one in value]
    return _HOSTILE if value in ("a", "A title", "p1", "lost", "sea", "home") else value


def test_names_from_a_trace_are_text_and_no_markup() -> None:
    events = [
        msgspec.structs.replace(e, node=_hostile(e.node), facts=_hostile(e.facts)) for e in _EVENTS
    ]
    page, plain = html([tell(events)], []).decode(), html([tell(_EVENTS)], []).decode()
    assert "<script" not in page
    assert "\u202e" not in page
    assert "\x07" not in page
    hostile, usual = _Parser(), _Parser()
    hostile.feed(page)
    usual.feed(plain)
    assert set(hostile.tags) == set(usual.tags)
    assert "alert(1)" in page


@given(st.text())
def test_any_text_survives_as_text(text: str) -> None:
    made = element("text", text, x=1.0)
    made.set("title", visible(text))
    again = fromstring(_tostring(made))
    assert (again.text or "").replace("\r", "\n") == visible(text)


def _tostring(made: Any) -> str:
    return tostring(made, encoding="unicode")


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    page = html([tell(_EVENTS)], tally([outcome(1)])).decode()
    _Parser().feed(page)
    assert not re.search(r"https?://|@import|url\((?!#)", page.replace("http://www.w3.org", ""))
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


# --- figures ----------------------------------------------------------------------------------


def test_a_copy_that_rotted_counts_again_when_its_node_fetched_it_anew() -> None:
    copies = Copies()
    for kind, node, facts, levels in (
        ("copies", "a", {"photo": "p", "holders": ["a"]}, (0, 1, 0, 0)),
        ("copies", "b", {"photo": "p", "holders": ["a", "b"]}, (0, 0, 1, 0)),
        ("rotted", "b", {"photo": "p"}, (0, 1, 0, 0)),
        ("copies", "b", {"photo": "p", "holders": ["a"]}, (0, 1, 0, 0)),
        ("copies", "b", {"photo": "p", "holders": ["a", "b"]}, (0, 0, 1, 0)),
        ("accepted", "a", {"photo": "p", "act": "delete"}, (0, 0, 0, 0)),
        ("accepted", "a", {"photo": "p", "act": "undelete"}, (0, 0, 1, 0)),
        ("copies", "a", {"photo": "p", "holders": []}, (1, 0, 0, 0)),
    ):
        assert copies.note(Event(1.0, node, kind, facts))
        assert copies.levels() == levels


_holdings = st.lists(
    st.tuples(st.sampled_from("pqr"), st.sets(st.sampled_from("abcd")), st.booleans())
)


@given(_holdings)
def test_every_photo_is_in_one_level(holdings: list[tuple[str, set[str], bool]]) -> None:
    copies, seen = Copies(), set()
    for at_s, (photo, holders, rots) in enumerate(holdings):
        copies.note(Event(at_s, "a", "copies", {"photo": photo, "holders": sorted(holders)}))
        if rots:
            copies.note(Event(at_s, "a", "rotted", {"photo": photo}))
        seen.add(photo)
        assert sum(copies.levels()) == len(seen)
        assert copies.unsafe + len(copies.safe_after_s) == len(seen)


def test_time_of_a_story_in_a_hurry_is_told_as_it_is_meant() -> None:
    events = [Event(0.0, "", "began", {**_BEGAN, "hurry": 100}), *_EVENTS[1:]]
    slow, fast = tell(_EVENTS), tell(events)
    assert fast.until_s == 100 * slow.until_s
    assert fast.converged_s == 100.0
    assert fast.sent[0].arrives_s == pytest.approx(140.0)


def test_bytes_of_photos_are_virtual_ones_and_the_ideal_is_one_move() -> None:
    story = tell(_EVENTS)
    assert story.moved_bytes == 1_000
    assert story.ideal_bytes == 1_000


def test_spans_join_what_is_alike_and_end_with_the_story() -> None:
    states = [(1.0, "x"), (2.0, "x"), (3.0, None), (4.0, "y")]
    assert spans(states, 5.0) == [Span(1.0, 3.0, "x"), Span(4.0, 5.0, "y")]


def test_a_gap_says_which_share_of_the_ways_across_it_is_cut() -> None:
    (cut,) = gaps(tell(_EVENTS))
    assert [(one.begin_s, one.end_s) for one in cut] == [(3.0, 6.0)]
    assert cut[0].what == "50 a to b (partition)"


_sendings = st.lists(
    st.builds(
        Sent,
        source=st.sampled_from("ab"),
        target=st.sampled_from("cd"),
        carries=st.sampled_from([PHOTOS, "catalog", "other"]),
        at_s=st.floats(0, 100),
        arrives_s=st.none(),
        size_bytes=st.integers(0, 10**12),
    )
)


@given(_sendings, st.integers(1, 50))
def test_bundling_loses_no_byte_and_no_message(sent: list[Sent], bins: int) -> None:
    found = bundles(sent, 100.0, bins)
    assert sum(one.count for one in found) == len(sent)
    assert sum(one.size_bytes for one in found) == sum(one.size_bytes for one in sent)
    assert all(0 <= one.bin < bins for one in found)
    totals = running_totals(sent, 100.0, bins)
    assert sum(row[-1] for row in totals.values()) == sum(one.size_bytes for one in sent)
    assert all(row == sorted(row) for row in totals.values())


def _long(count: int) -> Story:
    facts = {"to": "b", "protocol": "/photonic/catalog/1", "bytes": 40, "arrives_s": 1.0}
    events = [Event(100.0 * n / count, "a", "message", facts) for n in range(count)]
    return tell([*_EVENTS[:4], *events])


def test_a_long_story_is_bundled_and_stays_small() -> None:
    sizes = {}
    for count in (1_501, 30_000):
        story = _long(count)
        sizes[count] = len(html([story], []))
    assert max(sizes.values()) < 250_000
    assert max(sizes.values()) < 1.2 * min(sizes.values())


@given(st.floats(0.001, 1e8), st.integers(1, 20))
def test_ticks_are_within_and_not_too_many(until_s: float, count_max: int) -> None:
    ticks = ticks_s(until_s, count_max)
    assert 1 <= len(ticks) <= count_max + 1
    assert all(tick <= until_s * 1.0001 for tick in ticks)


@given(st.lists(st.floats(0, 100), max_size=5))
def test_labels_do_not_cover_each_other(wanted: list[float]) -> None:
    placed = apart(sorted(wanted), 15, 0, 100)
    assert all(b - a >= 15 - 1e-9 for a, b in pairwise(placed))
    assert all(-1e-9 <= position <= 100 + 1e-9 for position in placed)


@pytest.mark.parametrize(
    ("at_s", "words"), [(0, "0"), (0.2, "0.2 s"), (90, "1.5 min"), (3_600, "1 h"), (86_400, "1 d")]
)
def test_moments_are_short(at_s: float, words: str) -> None:
    assert moment(at_s) == words


# --- the command, and the docs ----------------------------------------------------------------


def test_report_draws_what_replay_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace, out, many = tmp_path / "t.jsonl", tmp_path / "r.html", tmp_path / "many.jsonl"
    assert main(["replay", "1", "partition-heal", "--trace", str(trace)]) == 0
    many.write_bytes(line(outcome(1)) + line(outcome(2)))
    pictures = tmp_path / "pictures"
    words = ["report", str(trace), str(many), "--out", str(out), "--pictures", str(pictures)]
    assert main(words) == 0
    page = out.read_text(encoding="utf-8")
    assert "Every promise held." in page
    assert "yoda" in page
    assert "2 histories of everyday" in page
    assert str(out) in capsys.readouterr().out
    for name in PICTURES:
        fromstring((pictures / f"partition-heal-{name}.svg").read_text(encoding="utf-8"))


def test_a_file_that_is_neither_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.jsonl"
    for text in ('{"kind": 3, "facts": 1}\n', "no JSON\n", '{"seed": 1}\n'):
        bad.write_text(text, encoding="utf-8")
        assert main(["report", str(bad), "--out", str(tmp_path / "r.html")]) == 2
        assert str(bad) in capsys.readouterr().err
    assert not (tmp_path / "r.html").exists()


def test_a_scenario_never_names_a_file_outside_of_the_folder(tmp_path: Path) -> None:
    story = tell([Event(0.0, "", "began", {**_BEGAN, "scenario": "../../x/y"})])
    for path in write_pictures(story, tmp_path / "in"):
        assert path.resolve().parent == (tmp_path / "in").resolve()


def test_the_docs_show_the_pictures_that_the_command_makes(tmp_path: Path) -> None:
    made = story_command.main("partition-heal", 1, tmp_path)
    names = {path.name.removeprefix("partition-heal-") for path in made}
    page = (_ROOT / "docs" / "simulator-report.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"\]\(founding-story-([\w-]+\.svg)\)", page))
    assert shown == names
    for name in names:
        text = (_ROOT / "docs" / f"founding-story-{name}").read_text(encoding="utf-8")
        fromstring(text)
        assert "prefers-color-scheme" in text
    assert "python -m tests.story" in page
