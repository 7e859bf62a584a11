"""The space-time diagram: a lane for each machine, time to the right, and what went between them.

A lane is drawn through while its machine runs and dotted while it does not; it is shaded while the
machine is nowhere. Between lanes goes what was sent: line by line, or, where there are thousands,
bundled by parts of the time. Hatched is what nothing crosses. Pure: a story in, an element out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from math import sqrt
from xml.etree.ElementTree import Element

from simulations.bundles import bundles, gaps
from simulations.drawing import Frame, clipped, element, number, path, picture, time_axis, width_px
from simulations.story import CATALOG, OTHER, PHOTOS, Deed, Lane, Mark, Sent, Story
from simulations.units import readable_time

LINES_MAX = 1_500  # messages that are drawn one by one
_BIN_PX, _DEED_PX = 3.0, 8.0
_TITLE_LINES_MAX = 12
_CLASSES = 4  # of widths
_WIDTH_PX = {PHOTOS: (0.5, 2.6), CATALOG: (0.35, 1.0), OTHER: (0.8, 1.6)}
_OPACITY = {PHOTOS: 0.9, CATALOG: 0.4, OTHER: 0.9}

# What is marked: the word in the legend, and its shape around 0, 0. Lines begin with M.
SHAPES = {
    "killed": ("killed", "M-5,-5L5,5M5,-5L-5,5"),
    "rolled back": ("rolled back", "M0,-6L-6,0L0,6ZM7,-6L1,0L7,6Z"),
    "rotted": ("a photo rots", "M0,-6L6,0L0,6L-6,0Z"),
    "revoked": ("revokes a node", "M-6,0A6,6 0 1 1 6,0A6,6 0 1 1 -6,0ZM-3,0L3,0"),
    "stranger": ("a stranger knocks", "M-6,-5L6,-5L0,6Z"),
    "forged": ("forges a change", "M-5,5L3,-5L6,-2L-2,6ZM-6,6L6,6"),
    "purged": ("removes many", "M-5,-4L5,-4L4,6L-4,6ZM-6,-4L6,-4M-2,-6L2,-6"),
    "evicted": ("lets a photo go", "M-5,6L5,6M0,-6L0,3M-4,-1L0,3L4,-1"),
    "violation": ("a promise does not hold", "M0,-8L2,-2L8,-2L3,2L5,8L0,4L-5,8L-3,2L-8,-2L-2,-2Z"),
    "fill": ("disk full", "M-5,-5L5,-5L5,5L-5,5Z"),
    "empty": ("disk has room", "M-5,-5L5,-5L5,5L-5,5ZM-5,2L5,2"),
    "slow": ("disk slow", "M-5,-6L5,-6L-5,6L5,6Z"),
    "skew": ("clock jumps", "M-6,0A6,6 0 1 1 6,0A6,6 0 1 1 -6,0ZM0,-4L0,0L3,2"),
    "joined": ("joins", "M-5,0L5,0M0,-5L0,5"),
    "revocation known": ("all know of it", "M-6,0L-2,4L6,-4"),
    "address": ("new address", "M-5,3L0,-4L5,3"),
    "save": ("data folder copied", "M0,-6L0,4M-4,0L0,5L4,0"),
    "carry": ("disk carried over", "M-6,0L5,0M1,-4L6,0L1,4"),
}
_CALM = {"joined", "revocation known", "address", "save", "carry", "empty", "slow"}
_FULL = {"rotted", "fill", "violation", "rolled back"}
_UPRIGHT = {"healed": "all faults undone", "converged": "all show the same"}
_SORTS = {PHOTOS: "photos", CATALOG: "catalog", OTHER: "admission and others"}


def space_time(story: Story, frame: Frame) -> Element:
    """Return the picture of who ran, what was cut, what was sent and what was done."""
    top, apart = 46.0, _lane_distance(story, frame)
    y_of = {lane.name: top + 14 + apart * n for n, lane in enumerate(story.lanes)}
    bottom = top + 28 + apart * max(0, len(story.lanes) - 1)
    inside = [_hatching(frame), time_axis(frame, top - 14, bottom + 10)]
    inside += _cuts(story, frame, list(y_of.values()))
    inside.append(_messages(story, frame, y_of))
    inside += [_lane(lane, frame, y_of[lane.name]) for lane in story.lanes]
    inside += _uprights(story, frame, top - 14, bottom + 10)
    inside += _deeds(story, frame, y_of)
    inside += [_mark(mark, frame, y_of.get(mark.node, top - 18)) for mark in _shown(story)]
    legend, height = _legend(story, frame, bottom + 50)
    title = f"{story.title or story.scenario}: machines, what went between them, and what happened"
    return picture(frame, height, title, *inside, legend)


def _lane_distance(story: Story, frame: Frame) -> float:
    return max(58.0, min(96.0 if frame.is_narrow else 120.0, 620.0 / max(1, len(story.lanes))))


def _shown(story: Story) -> list[Mark]:
    """Return the marks that are drawn as shapes; of founders and first members none, all join."""
    return [mark for mark in story.marks if mark.what in SHAPES]


def _hatch_name(frame: Frame) -> str:
    return "hatch-narrow" if frame.is_narrow else "hatch"


def _hatching(frame: Frame) -> Element:
    line = element("line", x1=0, y1=0, x2=0, y2=7, class_="hatch")
    return element(
        "defs",
        element(
            "pattern", line, id=_hatch_name(frame), width=7, height=7,
            patternUnits="userSpaceOnUse", patternTransform="rotate(45)",
        ),
    )  # fmt: skip


def _titled(made: Element, text: str) -> Element:
    made.append(element("title", text))
    return made


# --- lanes ------------------------------------------------------------------------------------


def _lane(lane: Lane, frame: Frame, y: float) -> Element:
    made = element("g", class_="machine")
    for stay in lane.stays:
        x, end = frame.x(stay.begin_s), frame.x(stay.end_s)
        word = stay.what or "away"
        if not stay.what:
            away = element("rect", x=x, y=y - 14, width=max(1.0, end - x), height=28, class_="away")
            made.append(_titled(away, f"{lane.name} is away, {_times(stay.begin_s, stay.end_s)}"))
        else:
            made.append(element("path", d=f"M{number(x)},{number(y - 7)}v14", class_="stay"))
        if end - x > width_px(word) + 6:
            made.append(element("text", word, x=x + 5, y=y - 7, class_="halo"))
    made.append(element("line", x1=frame.left, x2=frame.end, y1=y, y2=y, class_="rest"))
    for run in lane.runs:
        x, end = frame.x(run.begin_s), frame.x(run.end_s)
        line = element("line", x1=x, x2=max(end, x + 1), y1=y, y2=y, class_="lane")
        made.append(_titled(line, f"{lane.name} runs, {_times(run.begin_s, run.end_s)}"))
    return _named(made, lane, frame, y)


def _named(made: Element, lane: Lane, frame: Frame, y: float) -> Element:
    letters = 24 if frame.is_narrow else int(frame.left / 9)
    name = clipped(lane.name, letters)
    if frame.is_narrow:
        words = element("text", name, x=frame.left, y=y - 22, class_="name halo")
        words.append(element("tspan", f"  {lane.role}", font_size=12, font_weight=400))
        made.append(words)
        return made
    side = {"x": frame.left - 14, "text_anchor": "end"}
    made.append(element("text", name, y=y + 2, class_="name", **side))
    made.append(element("text", lane.role, y=y + 17, **side))
    return _titled(made, f"{lane.name}, {lane.role}")


def _times(begin_s: float, end_s: float) -> str:
    return f"{readable_time(begin_s)} to {readable_time(end_s)}"


def _cuts(story: Story, frame: Frame, ys: list[float]) -> list[Element]:
    """Hatch what nothing crosses; paler, if something does."""
    made = []
    for position, spans in enumerate(gaps(story)):
        for span in spans:
            share, _, words = span.what.partition(" ")
            x, end = frame.x(span.begin_s), frame.x(span.end_s)
            area = element(
                "rect", x=x, y=ys[position] + 3, width=max(1.0, end - x),
                height=ys[position + 1] - ys[position] - 6,
                fill=f"url(#{_hatch_name(frame)})", opacity=0.15 + 0.4 * int(share) / 100,
            )  # fmt: skip
            text = f"nothing passes from {words}, {_times(span.begin_s, span.end_s)}"
            made.append(_titled(area, text))
    return made


# --- what was sent ----------------------------------------------------------------------------


def _messages(story: Story, frame: Frame, y_of: dict[str, float]) -> Element:
    one_by_one = len(story.sent) <= LINES_MAX
    groups = _single(story, frame, y_of) if one_by_one else _bundled(story, frame, y_of)
    made = element("g")
    for (sort, width, opacity), lines in sorted(groups.items(), key=lambda one: _order(one[0])):
        made.append(
            element(
                "path", d="".join(lines), class_=f"sent {sort}",
                stroke_width=f"{width:.2f}", opacity=opacity,
            )
        )  # fmt: skip
    return made


_Group = tuple[str, float, float]  # class, width, opacity


def _order(group: _Group) -> tuple[int, float]:
    return [CATALOG, PHOTOS, OTHER, "lost"].index(group[0]), group[1]


def _single(story: Story, frame: Frame, y_of: dict[str, float]) -> dict[_Group, list[str]]:
    groups = defaultdict[_Group, list[str]](list)
    for one in story.sent:
        here, there, x = y_of[one.source], y_of[one.target], frame.x(one.at_s)
        if one.arrives_s is None:  # a stub: it set out
            far = here + (there - here) * 0.3
            groups["lost", 1.2, 0.9].append(path([(x, here), (x + 2, far)]))
            continue
        width = 1.1 if one.carries == PHOTOS else 0.8
        line = path([(x, here), (frame.x(one.arrives_s), there)])
        groups[one.carries, width, _OPACITY[one.carries] * 0.8].append(line)
    return groups


def _bundled(story: Story, frame: Frame, y_of: dict[str, float]) -> dict[_Group, list[str]]:
    bins = max(1, int(frame.inner / _BIN_PX))
    found = bundles(story.sent, story.until_s, bins)
    most = defaultdict[str, int](int)
    for one in found:
        most[one.carries] = max(most[one.carries], one.size_bytes)
    groups = defaultdict[_Group, list[str]](list)
    for one in found:
        share = sqrt(one.size_bytes / max(1, most[one.carries]))
        step = min(_CLASSES - 1, int(share * _CLASSES)) / (_CLASSES - 1)
        thin, thick = _WIDTH_PX[one.carries]
        group = (one.carries, thin + (thick - thin) * step, _OPACITY[one.carries])
        x = frame.left + one.bin / bins * frame.inner
        line = path([(x, y_of[one.source]), (x + _BIN_PX, y_of[one.target])])
        groups[group].append(line)
    return groups


# --- what was done and what happened ----------------------------------------------------------


def _uprights(story: Story, frame: Frame, top: float, bottom: float) -> Iterator[Element]:
    ends = [mark for mark in story.marks if mark.what in _UPRIGHT]
    for position, mark in enumerate(ends):
        x = frame.x(mark.at_s)
        line = element("line", x1=x, x2=x, y1=top, y2=bottom, class_="upright")
        yield _titled(line, f"{_UPRIGHT[mark.what]}, at {readable_time(mark.at_s)}")
        side = "end" if x > frame.left + frame.inner / 2 else "start"
        yield element(
            "text", _UPRIGHT[mark.what], x=x, y=top - 6 - 14 * (len(ends) - 1 - position),
            text_anchor=side, class_="strong",
        )  # fmt: skip


def _deeds(story: Story, frame: Frame, y_of: dict[str, float]) -> Iterator[Element]:
    """Draw what people did as dots under the lane; what falls together is one larger dot."""
    together = defaultdict[tuple[str, int, bool], list[Deed]](list)
    for deed in story.deeds:
        if deed.is_work and deed.act.node in y_of:
            place = int(frame.x(deed.at_s) / _DEED_PX)
            together[deed.act.node, place, deed.is_done].append(deed)
    for (node, _, is_done), deeds in sorted(together.items(), key=lambda one: one[0]):
        x = sum(frame.x(deed.at_s) for deed in deeds) / len(deeds)
        radius = min(7.0, 2.6 + 1.1 * sqrt(len(deeds) - 1))
        dot = element(
            "circle", cx=x, cy=y_of[node] + 10, r=radius, class_="deed done" if is_done else "deed"
        )
        lines = [f"{readable_time(d.at_s)} {d.act.words()} ({d.ending})" for d in deeds]
        rest = len(lines) - _TITLE_LINES_MAX
        yield _titled(dot, "\n".join(lines[:_TITLE_LINES_MAX] + [f"and {rest} more"] * (rest > 0)))


def _mark(mark: Mark, frame: Frame, y: float) -> Element:
    made = _shape(mark.what, frame.x(mark.at_s), y)
    return _titled(made, f"{readable_time(mark.at_s)} {mark.text}")


def _shape(what: str, x: float, y: float) -> Element:
    classes = "mark" + " calm" * (what in _CALM) + " full" * (what in _FULL)
    place = f"translate({number(x)} {number(y)})"
    return element("g", element("path", d=SHAPES[what][1], class_=classes), transform=place)


def _legend(story: Story, frame: Frame, y: float) -> tuple[Element, float]:
    """Return what the shapes mean that are there, in rows; and where the picture ends."""
    entries = list[tuple[str, Element]]()
    sorts = {one.carries for one in story.sent}
    for sort in (PHOTOS, CATALOG, OTHER):
        if sort in sorts:
            line = element("path", d="M-8,5L8,-5", class_=f"sent {sort}", stroke_width=2)
            entries.append((_SORTS[sort], line))
    if _has_lost(story.sent):
        line = element("path", d="M-8,5L8,-5", class_="sent lost", stroke_width=1.5)
        entries.append(("held up or lost", line))
    if story.cuts:
        fill = f"url(#{_hatch_name(frame)})"
        box = element("rect", x=-8, y=-6, width=16, height=12, fill=fill, opacity=0.55)
        entries.append(("nothing passes", box))
    if any(deed.is_work and deed.is_done for deed in story.deeds):
        entries.append(("work that was done", element("circle", r=3.5, class_="deed done")))
    if any(deed.is_work and not deed.is_done for deed in story.deeds):
        entries.append(("work that could not be", element("circle", r=3, class_="deed")))
    seen = {mark.what for mark in _shown(story)}
    entries += [(word, _shape(what, 0, 0)) for what, (word, _) in SHAPES.items() if what in seen]
    made, x = element("g", class_="legend"), frame.left
    for word, shape in entries:
        width = 30 + width_px(word)
        if x + width > frame.width and x > frame.left:
            x, y = frame.left, y + 22
        made.append(element("g", shape, transform=f"translate({number(x + 8)} {number(y)})"))
        made.append(element("text", word, x=x + 22, y=y + 4))
        x += width + 12
    return made, y + 16


def _has_lost(sent: tuple[Sent, ...]) -> bool:
    return len(sent) <= LINES_MAX and any(one.arrives_s is None for one in sent)
