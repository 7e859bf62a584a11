"""Pictures as elements of SVG: scales, axes and words. Nothing here knows what is drawn.

Elements are those of the standard library, which escapes all text and all attributes when they are
written; so a name from a trace can be no markup. Colours are classes, see `chart.css`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

import msgspec

CHART_CSS = Path(__file__).with_name("chart.css")
_STEPS_S = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800,
    21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600, 2_592_000,
)  # fmt: skip
_UNITS_S = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_BYTES = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
# What turns the direction of text or shows nothing: a name with it could pass for another.
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_LETTER_PX = 6.4  # on average, at 12 px; text is only laid out by whoever looks at it


def element(tag: str, /, *inside: Element | str, **facts: object) -> Element:
    """Return an element; `class_` is class, `text_anchor` is text-anchor."""
    attributes = {
        name.rstrip("_").replace("_", "-") if name != "viewBox" else name: _fact(value)
        for name, value in facts.items()
        if value is not None
    }
    made = Element(tag, attributes)
    for child in inside:
        if isinstance(child, str):
            _append_text(made, visible(child))
        else:
            made.append(child)
    return made


def _append_text(made: Element, text: str) -> None:
    if len(made):
        made[-1].tail = (made[-1].tail or "") + text
    else:
        made.text = (made.text or "") + text


def _fact(value: object) -> str:
    return number(value) if isinstance(value, float) else visible(str(value))


def number(value: float) -> str:
    """Return a coordinate in as few digits as a screen tells apart."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def visible(text: str) -> str:
    """Return text of which every character is seen for what it is."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_hidden(c) else c for c in text)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN and character != "\n"


def clipped(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"


def width_px(text: str) -> float:
    return len(text) * _LETTER_PX


# --- scales and axes --------------------------------------------------------------------------


class Frame(msgspec.Struct, frozen=True):
    """Where time is drawn: all pictures of a story have the same."""

    width: float
    left: float
    right: float
    until_s: float

    @property
    def inner(self) -> float:
        return self.width - self.left - self.right

    @property
    def end(self) -> float:
        return self.width - self.right

    @property
    def is_narrow(self) -> bool:
        return self.width < 500

    def x(self, at_s: float) -> float:
        share = at_s / self.until_s if self.until_s > 0 else 0.0
        return self.left + self.inner * min(1.0, max(0.0, share))


def ticks_s(until_s: float, count_max: int) -> list[float]:
    """Return round moments from 0 to the end, not more than so many and one."""
    step = next((s for s in _STEPS_S if until_s / s <= count_max), _STEPS_S[-1])
    while until_s / step > count_max:
        step *= 2
    return [step * number for number in range(int(until_s / step + 1e-9) + 1)]


def moment(at_s: float) -> str:
    """Return a duration in the largest unit in which it is short: `3 d`, `1.5 h`, `40 s`."""
    for unit_s, name in _UNITS_S:
        if at_s >= unit_s:
            return f"{at_s / unit_s:.3g} {name}"
    return "0" if at_s == 0 else f"{at_s:.2g} s"


def amount(size_bytes: float) -> str:
    """Return a size: `925 GB`."""
    for unit, name in _BYTES:
        if size_bytes >= unit:
            return f"{size_bytes / unit:.3g} {name}"
    return f"{size_bytes:.0f} B"


def round_top(value: float) -> float:
    """Return the smallest 1, 2, 2.5 or 5 times a power of ten that is not below `value`."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power < value:
        power *= 10
    return next(power * f for f in (0.1, 0.2, 0.25, 0.5, 1.0) if power * f >= value)


def time_axis(frame: Frame, top: float, bottom: float) -> Element:
    """Return upright hairlines at round moments, with their words below."""
    made = element("g", class_="axis")
    for at_s in ticks_s(frame.until_s, max(2, int(frame.inner / 82))):
        x = frame.x(at_s)
        made.append(element("line", x1=x, x2=x, y1=top, y2=bottom))
        word = moment(at_s)
        made.append(element("text", word, x=x, y=bottom + 16, text_anchor="middle"))
    return made


def picture(frame: Frame, height: float, title: str, *inside: Element) -> Element:
    """Return one picture; `title` is what those hear who do not see it."""
    return element(
        "svg",
        element("title", title),
        *inside,
        viewBox=f"0 0 {number(frame.width)} {number(height)}",
        role="img",
        class_="narrow" if frame.is_narrow else "wide",
    )


def path(points: Iterable[tuple[float, float]], *, is_closed: bool = False) -> str:
    """Return the `d` of a line through points."""
    words = " ".join(f"{number(x)},{number(y)}" for x, y in points)
    return f"M{words}Z" if is_closed else f"M{words}"


def steps(
    frame: Frame, levels: Sequence[tuple[float, float]], y_of_zero: float, px_each: float
) -> list[tuple[float, float]]:
    """Return the corners of numbers that hold until the next one: (moment, number)."""
    points = list[tuple[float, float]]()
    height = y_of_zero
    for at_s, value in levels:
        x = frame.x(at_s)
        points.append((x, height))
        height = y_of_zero - value * px_each
        points.append((x, height))
    points.append((frame.end, height))
    return points


def apart(wanted: Sequence[float], distance: float, low: float, high: float) -> list[float]:
    """Return positions near those wanted (sorted), so far apart, within bounds where they fit."""
    placed = list[float]()
    for position in wanted:
        above = placed[-1] + distance if placed else low
        placed.append(max(position, above))
    bound = high
    for place in range(len(placed) - 1, -1, -1):
        placed[place] = min(placed[place], bound)
        bound = placed[place] - distance
    return placed


def alone(svg: Element) -> bytes:
    """Return a picture as a file of its own."""
    style = element("style")
    style.text = CHART_CSS.read_text(encoding="utf-8")
    _, _, width, height = svg.attrib["viewBox"].split()
    facts = {**svg.attrib, "xmlns": "http://www.w3.org/2000/svg", "width": width, "height": height}
    made = Element("svg", facts)
    made.extend([style, element("rect", class_="ground", width="100%", height="100%"), *svg])
    return f"{tostring(made, encoding='unicode')}\n".encode()
