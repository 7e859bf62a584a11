"""What changes over time, under the space-time diagram: copies, what is contested, bytes; and bars.

Pure: figures in, elements out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from xml.etree.ElementTree import Element

from simulations.bundles import running_totals
from simulations.copies import MANY
from simulations.drawing import (
    Frame,
    amount,
    apart,
    clipped,
    element,
    moment,
    path,
    picture,
    round_top,
    steps,
    time_axis,
    width_px,
)
from simulations.story import CATALOG, PHOTOS, Level, Story

_TOP = 12.0
_AREAS = ("none", "one", "two", "many")
_WORDS = ("no copy", "1 copy", "2 copies", "3 or more")
_AXIS_PX = 24.0


def copies(story: Story, frame: Frame) -> Element:
    """Return how many photos have no copy, one, two, and three or more; those at risk on top."""
    height = 150.0
    base = _TOP + height
    most = max((sum(level.values) for level in story.copies), default=0)
    px_each = height / max(1, most)
    inside = [time_axis(frame, _TOP, base)]
    below, unnamed = [0] * len(story.copies), list[int]()
    for number in range(MANY, -1, -1):  # the safest lie at the bottom
        above = [b + level.values[number] for b, level in zip(below, story.copies, strict=True)]
        if any(level.values[number] for level in story.copies):
            lower = _stairs(frame, story.copies, below, base, px_each)
            upper = _stairs(frame, story.copies, above, base, px_each)
            shape = path(upper + lower[::-1], is_closed=True)
            area = element("path", element("title", _WORDS[number]), d=shape)
            area.set("class", f"area {_AREAS[number]}")
            inside.append(area)
            word = _inscribed(story, frame, number, below, above, base, px_each)
            if word is not None:
                inside.append(word)
            else:
                unnamed.append(number)
        below = above
    inside += _scale(frame, base, px_each, most, str)
    inside += _key(frame, unnamed, base + _AXIS_PX + 12)
    height = base + _AXIS_PX + 22 * bool(unnamed)
    return picture(frame, height, "copies of each photo over time", *inside)


def _key(frame: Frame, numbers: Sequence[int], y: float) -> list[Element]:
    """Say below what those areas are which have no room for a word."""
    made, x = list[Element](), frame.left
    for number in numbers:
        box = element("rect", x=x, y=y - 9, width=10, height=10, class_=_AREAS[number])
        made += [box, element("text", _WORDS[number], x=x + 15, y=y)]
        x += 15 + width_px(_WORDS[number]) + 18
    return made


def _stairs(
    frame: Frame, levels: Sequence[Level], values: Sequence[float], base: float, px_each: float
) -> list[tuple[float, float]]:
    pairs = [(level.at_s, value) for level, value in zip(levels, values, strict=True)]
    return steps(frame, pairs, base, px_each)


def _inscribed(
    story: Story,
    frame: Frame,
    number: int,
    below: Sequence[int],
    above: Sequence[int],
    base: float,
    px_each: float,
) -> Element | None:
    """Write what an area means into it, where it is roomiest; None if it is nowhere roomy."""
    word = _WORDS[number]
    best: tuple[float, float, float] | None = None  # room, x, y
    for start in range(len(below)):
        low, high, last = below[start], above[start], start
        while True:
            begin = frame.x(story.copies[start].at_s)
            after = last + 1
            end = frame.x(story.copies[after].at_s) if after < len(below) else frame.end
            room = (high - low) * px_each
            if room >= 14 and end - begin >= width_px(word) + 14:
                score = min(room, 40.0) * 10 + (end - begin)
                if best is None or score > best[0]:
                    best = (score, (begin + end) / 2, base - (high + low) / 2 * px_each)
            if after == len(below):
                break
            low, high, last = max(low, below[after]), min(high, above[after]), after
            if (high - low) * px_each < 14:
                break
    if best is None:
        return None
    place = {"x": best[1], "y": best[2] + 4, "text_anchor": "middle"}
    return element("text", word, class_=f"on-{_AREAS[number]}", **place)


def _scale(
    frame: Frame, base: float, px_each: float, most: float, write: Callable[[float], str]
) -> list[Element]:
    """Return a base line, and the words for the top of the scale."""
    top = base - most * px_each
    at = {"x": frame.left - 8, "text_anchor": "end"}
    if frame.is_narrow:
        at = {"x": frame.left + 3, "text_anchor": "start"}
    made = element("g", class_="value")
    made.append(element("text", write(most), y=top + (11 if frame.is_narrow else 5), **at))
    if not frame.is_narrow:
        made.append(element("text", "0", y=base + 4, **at))
    line = element("line", x1=frame.left, x2=frame.end, y1=base, y2=base, class_="base")
    return [line, made]


def conflicts(story: Story, frame: Frame) -> Element:
    """Return how many fields of photos are contested on at least one machine."""
    height = 46.0
    base = _TOP + height
    most = max((level.values[0] for level in story.conflicts), default=0)
    inside = [time_axis(frame, _TOP, base)]
    if most:
        px_each = height / most
        corners = _stairs(
            frame, story.conflicts, [level.values[0] for level in story.conflicts], base, px_each
        )
        shape = path([*corners, (frame.end, base)], is_closed=True)
        inside.append(element("path", d=shape, class_="contested"))
    else:
        place = {"x": frame.left + 6, "y": base - 8}
        inside.append(element("text", "none", **place))
    inside += _scale(frame, base, height / max(1, most), most, str) if most else []
    line = element("line", x1=frame.left, x2=frame.end, y1=base, y2=base, class_="base")
    return picture(frame, base + _AXIS_PX, "contested fields over time", *inside, line)


def moved(story: Story, frame: Frame) -> Element:
    """Return what was sent, added up: photos, what would have been enough of it, the catalog."""
    height, bins = 120.0, max(2, int(frame.inner / 2))
    base = _TOP + height
    totals = running_totals(story.sent, story.until_s, bins)
    most = max(totals[PHOTOS][-1], totals[CATALOG][-1], story.ideal_bytes, 1)
    px_each = height / most
    inside = [time_axis(frame, _TOP, base)]
    ends = list[tuple[float, str]]()
    rows = [("moved", "photos", totals[PHOTOS]), ("said", "catalog", totals[CATALOG])]
    for class_, word, row in rows:
        width = frame.inner / bins
        points = [(frame.left + width * (n + 1), base - v * px_each) for n, v in enumerate(row)]
        line = path([(frame.left, base), *points])
        inside.append(element("path", d=line, class_=class_))
        ends.append((base - row[-1] * px_each, f"{word} {amount(row[-1])}"))
    if story.photo_bytes:
        y = base - story.ideal_bytes * px_each
        line = path([(frame.left, y), (frame.end, y)])
        inside.append(element("path", d=line, class_="ideal"))
        ends.append((y, f"needed {amount(story.ideal_bytes)}"))
    ends.sort()
    ys = apart([y for y, _ in ends], 15, _TOP, base)
    for y, (_, word) in zip(ys, ends, strict=True):
        if frame.is_narrow:
            at = {"x": frame.end - 4, "y": y - 5, "text_anchor": "end"}
        else:
            at = {"x": frame.end + 8, "y": y + 4}
        inside.append(element("text", word, class_="halo", **at))
    if not frame.is_narrow:
        inside += _scale(frame, base, px_each, 0, lambda _: "0")
    return picture(frame, base + _AXIS_PX, "bytes that were sent", *inside)


# --- of many histories ------------------------------------------------------------------------


def bars(counts: Mapping[str, int], width: float, title: str, *, bad: bool = False) -> Element:
    """Return one bar a name, the longest first, each with its number."""
    frame = Frame(width, 150, 70, 1.0)
    most, inside, y = max(counts.values(), default=1), list[Element](), 8.0
    for name, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        length = max(1.0, frame.inner * count / max(1, most))
        side = {"x": frame.left - 8, "y": y + 11, "text_anchor": "end"}
        inside.append(element("text", clipped(name, 22), **side))
        classes = "bar bad" if bad else "bar"
        bar = element("rect", x=frame.left, y=y, width=length, height=14, class_=classes)
        inside.append(bar)
        number = {"x": frame.left + length + 6, "y": y + 11}
        inside.append(element("text", f"{count:,}", class_="strong", **number))
        y += 21
    return picture(frame, y + 4, title, *inside)


def spread(
    values: Sequence[float], marks: Mapping[str, float], width: float, title: str
) -> Element:
    """Return how many values are how large, with some of them marked by name."""
    top = round_top(max(values, default=1.0))
    frame = Frame(width, 14, 14, top)
    bins = max(8, int(frame.inner / 9))
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, int(value / top * bins))] += 1
    height, most = 90.0, max(counts, default=1)
    base, step = 40 + height, frame.inner / bins
    inside = [time_axis(frame, 40, base)]
    for position, count in enumerate(counts):
        if count:
            tall = max(1.5, height * count / max(1, most))
            x = frame.left + position * step
            bar = element("rect", x=x, y=base - tall, width=step - 1, height=tall, class_="bar")
            bar.append(element("title", f"{count:,} histories"))
            inside.append(bar)
    for row, (name, value) in enumerate(marks.items()):
        x = frame.x(value)
        inside.append(element("line", x1=x, x2=x, y1=14 + 14 * row, y2=base, class_="upright"))
        is_right = x > frame.left + frame.inner * 0.7
        at = {"x": x - 5 if is_right else x + 5, "text_anchor": "end" if is_right else "start"}
        word = f"{name} {moment(value)}"
        inside.append(element("text", word, y=18 + 14 * row, class_="strong halo", **at))
    return picture(frame, base + _AXIS_PX, title, *inside)
