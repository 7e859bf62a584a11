"""The words and tables of a report around its pictures, as elements of HTML.

Elements are those of the standard library, so that whatever a trace says is text and no markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from xml.etree.ElementTree import Element

from simulations import curves
from simulations.drawing import CHART_CSS, amount, clipped, moment
from simulations.drawing import element as e
from simulations.fleet import replay_line
from simulations.outcomes import Outcome
from simulations.story import Deed, Story
from simulations.tallies import CONVERGED, IDEAL, MOVED, SAFE, SAFE_SLOWEST, Tally
from simulations.units import readable_time

_PAGE_CSS = Path(__file__).with_name("page.css")
_DEEDS_OPEN_MAX, _SEEDS_MAX, _VIOLATIONS_MAX, _TEXT_MAX = 60, 200, 100, 600

_HEADINGS = {  # of each picture, and the words under it
    "space-time": "Who ran, what passed, what was done",
    "copies": "Copies of each photo",
    "conflicts": "Contested fields",
    "bytes": "What was sent",
}
_WORDS = {
    "space-time": """A line for each machine, time to the right. It is dotted while the machine does
        not run, and shaded while it is away. Between machines goes what was sent.""",
    "copies": """How many photos have how many sound copies, wherever these are: on a machine that
        is off or away, too. Those at risk lie on top; those in the trash are left out.""",
    "conflicts": "Fields of photos that were edited on two sides, and not settled yet.",
    "bytes": """Added up from the beginning; dashed is what would have been enough: each photo
        once to each machine that has it in the end and did not take it in itself.""",
}


def page(titles: Sequence[str], articles: Iterable[Element]) -> Element:
    """Return the whole document."""
    style = e("style")
    style.text = CHART_CSS.read_text(encoding="utf-8") + _PAGE_CSS.read_text(encoding="utf-8")
    title = " · ".join(filter(None, titles)) or "many histories"
    head = e(
        "head",
        e("meta", charset="utf-8"),
        e("meta", name="viewport", content="width=device-width, initial-scale=1"),
        e("meta", name="color-scheme", content="light dark"),
        e("title", f"{clipped(title, 120)} · photonic simulator"),
        style,
    )
    words = "Drawn by python -m simulations report. docs/simulator-report.md says how to read it."
    return e("html", head, e("body", *articles, e("footer", words)), lang="en")


# --- one history ------------------------------------------------------------------------------


def of_one(story: Story, pictures: Mapping[str, Sequence[Element]]) -> Element:
    """Return what is told of one history. `pictures`: each one wide and narrow."""
    made = e("article", e("p", "photonic simulator · one history", class_="kicker"))
    made.append(e("h1", story.title or story.scenario or "A trace"))
    machines = "1 machine" if len(story.lanes) == 1 else f"{len(story.lanes)} machines"
    lasts = moment(story.until_s)
    words = f"Scenario {story.scenario}, seed {story.seed}: {machines}, {lasts}."
    if story.hurry != 1:
        words += f" A second that was played stands for {story.hurry:g} of the story."
    made.append(e("p", words))
    made.append(_verdict(len(story.violations), story.converged_s))
    made.append(_figures(_of_story(story)))
    made.append(e("code", f"python -m simulations replay {story.seed} {story.scenario}",
                  class_="again"))  # fmt: skip
    if story.violations:
        lines = [f"{readable_time(v.at_s)} {v.text}" for v in story.violations]
        made.extend([e("h2", "What did not hold"), _listed(lines)])
    for name, drawn in pictures.items():
        made.extend([e("h2", _HEADINGS[name]), e("p", _WORDS[name]), e("figure", *drawn)])
    made.extend(_acts(story.deeds))
    return made


def _verdict(violations: int, converged_s: float | None) -> Element:
    if violations:
        words = "A promise did not hold." if violations == 1 else (
            f"{violations} times a promise did not hold.")  # fmt: skip
        return e("p", words, class_="verdict bad")
    if converged_s is None:
        return e("p", "The trace ends before all showed the same.", class_="verdict bad")
    return e("p", "Every promise held.", class_="verdict")


_Figure = tuple[str, str, str]  # what, how much, and a word below it


def _of_story(story: Story) -> list[_Figure]:
    photos = sum(story.copies[-1].values) if story.copies else 0
    done = sum(deed.is_done for deed in story.deeds)
    found = [("photos kept", f"{photos:,}", f"{amount(story.photo_bytes)} each")]
    found.append(("acts done", f"{done:,}", f"{len(story.deeds) - done:,} could not be"))
    found.append(("messages", f"{len(story.sent):,}", ""))
    if story.converged_s is not None:
        found.append(("all showed the same", moment(story.converged_s), "after the last healing"))
    if story.safe_after_s:
        words = f"slowest {moment(story.safe_after_s[-1])}" + (
            f", {story.unsafe} never" if story.unsafe else "")  # fmt: skip
        copies = f"safe ({story.min_copies} copies)"
        found.append((copies, moment(median(story.safe_after_s)), f"median; {words}"))
    if story.ideal_bytes:
        beyond = story.moved_bytes / story.ideal_bytes - 1
        words = f"{beyond:+.1%} of the {amount(story.ideal_bytes)} needed"
        found.append(("photos sent", amount(story.moved_bytes), words))
    return found


def _figures(figures: Iterable[_Figure]) -> Element:
    made = e("dl", class_="figures")
    for name, value, words in figures:
        made.append(e("div", e("dt", name), e("dd", value, e("small", words))))
    return made


def _listed(lines: Sequence[str]) -> Element:
    made = e("ul", *(e("li", clipped(line, _TEXT_MAX)) for line in lines[:_VIOLATIONS_MAX]),
             class_="broken")  # fmt: skip
    if len(lines) > _VIOLATIONS_MAX:
        made.append(e("li", f"and {len(lines) - _VIOLATIONS_MAX:,} more"))
    return made


def _acts(deeds: Sequence[Deed]) -> list[Element]:
    rows = [
        ([readable_time(deed.at_s), deed.act.node, _without_node(deed), deed.ending],
         "" if deed.is_done else "left-out")
        for deed in deeds
    ]  # fmt: skip
    listed = table(["when", "machine", "act", "what became of it"], rows)
    facts = {"open": "open"} if len(deeds) <= _DEEDS_OPEN_MAX else {}
    return [
        e("h2", "All acts"),
        e("details", e("summary", f"{len(deeds):,} acts"), listed, **facts),
    ]


def _without_node(deed: Deed) -> str:
    verb, _, rest = deed.act.words().partition(" ")
    return f"{verb} {rest.removeprefix(deed.act.node).strip()}".strip()


def table(heads: Sequence[str], rows: Iterable[tuple[Sequence[str], str]]) -> Element:
    """Return a table; a row is its cells and its class. The first column is a moment or a name."""
    body = e("tbody")
    for cells, class_ in rows:
        row = e("tr", class_=class_ or None)
        for position, cell in enumerate(cells):
            kind = "moment" if position == 0 else "number" if _is_number(cell) else None
            row.append(e("td", clipped(cell, _TEXT_MAX), class_=kind))
        body.append(row)
    head = e("thead", e("tr", *(e("th", word) for word in heads)))
    return e("div", e("table", head, body), class_="scroll")


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").isdecimal()


# --- many histories ---------------------------------------------------------------------------


def of_many(tally: Tally) -> Element:
    """Return what is told of all histories of one scenario."""
    count, failed = len(tally.outcomes), tally.failed
    made = e("article", e("p", "photonic simulator · many histories", class_="kicker"))
    made.append(e("h1", f"{count:,} histories of {tally.scenario}"))
    days = moment(tally.virtual_s)
    made.append(e("p", f"{days} of virtual time in {moment(tally.cpu_s)} of computing."))
    if failed:
        made.append(e("p", f"{len(failed):,} of them failed.", class_="verdict bad"))
    else:
        made.append(e("p", "In all of them every promise held.", class_="verdict"))
    made.append(_figures(_of_tally(tally)))
    if failed:
        made.extend([e("h2", "What did not hold"), _failures(failed)])
        bars = [curves.bars(tally.checkers, w, "what did not hold", bad=True) for w in (560, 420)]
        made.append(e("figure", *bars, class_="half"))
    made.append(_side_by_side(tally))
    made.extend(_seeds(tally))
    return made


def _of_tally(tally: Tally) -> list[_Figure]:
    found = [("acts done", f"{tally.acts_done:,}", f"{tally.passed_over:,} could not be")]
    found.append(("faults", f"{sum(tally.faults.values()):,}", f"of {len(tally.faults)} sorts"))
    found.append(("events", f"{tally.events:,}", ""))
    for name, word in ((CONVERGED, "all show the same after"), (SAFE_SLOWEST, "all safe after")):
        if name in tally.spreads:
            spread = tally.spreads[name]
            words = f"median; p99 {moment(spread.p99)}"
            found.append((word, moment(spread.median), words))
    if IDEAL in tally.spreads and MOVED in tally.spreads:
        moved, ideal = (sum(tally.spreads[name].values) for name in (MOVED, IDEAL))
        words = f"{amount(ideal)} of photos had to be moved"
        found.append(("sent", amount(moved), words))
    return found


def _failures(failed: Sequence[Outcome]) -> Element:
    made = e("ul", class_="broken")
    for outcome in failed[:_VIOLATIONS_MAX]:
        item = e("li")
        for violation in outcome.violations[:3]:
            text = f"{readable_time(violation.at_s)} {violation.checker}: {violation.text}"
            item.append(e("div", clipped(text, _TEXT_MAX)))
        if outcome.error:
            item.append(e("div", clipped(outcome.error.strip().splitlines()[-1], _TEXT_MAX)))
        item.append(e("code", replay_line(outcome), class_="again"))
        made.append(item)
    if len(failed) > _VIOLATIONS_MAX:
        made.append(e("li", f"and {len(failed) - _VIOLATIONS_MAX:,} more histories"))
    return made


def _side_by_side(tally: Tally) -> Element:
    made = e("div", class_="side-by-side")
    faults = [curves.bars(tally.faults, w, "faults") for w in (560, 420)]
    made.append(e("section", e("h2", "Faults"), e("figure", *faults)))
    for name, heading in (
        (CONVERGED, "From healing until all show the same"),
        (SAFE, "From a photo's birth until it is safe, the median of each history"),
    ):
        if name in tally.spreads:
            spread = tally.spreads[name]
            marks = {"median": spread.median, "p99": spread.p99}
            drawn = [curves.spread(spread.values, marks, w, heading) for w in (560, 420)]
            made.append(e("section", e("h2", heading), e("figure", *drawn)))
    return made


def _seeds(tally: Tally) -> list[Element]:
    rows = []
    for one in tally.outcomes[:_SEEDS_MAX]:
        faults = ", ".join(f"{count} {name}" for name, count in sorted(one.faults.items()))
        figures = one.figures
        times = [moment(figures[n]) if n in figures else "" for n in (CONVERGED, SAFE_SLOWEST)]
        sizes = [amount(figures[n]) if n in figures else "" for n in (MOVED, IDEAL)]
        words = "" if one.is_good else "failed"
        cells = [str(one.seed), words, f"{one.acts - one.passed_over}", faults, *times, *sizes]
        rows.append((cells, "bad" if words else ""))
    heads = ["seed", "", "acts", "faults", "same after", "safe after", "sent", "needed"]
    made = [e("h2", "Seeds"), table(heads, rows)]
    left = len(tally.outcomes) - len(rows)
    if left:
        made.append(e("p", f"{left:,} more histories, all of them good, are left out here."))
    return made
