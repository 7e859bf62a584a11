"""The rules of placement as the catalog has them: fields of one policy subject.

Each rule is a field of its own, `rule/NAME`, whose value is its text, so that rules which two
people add apart are both there, and one that two people change apart is contested, as any field is.
Of a contested rule all versions count for what they ask, and none for what it takes away, until
somebody settles it. `order` is the list of names as people want to read them; nothing follows from
it. A removed rule is a field without a value. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher
from typing import Any, Final

from photonic import limits
from photonic.crdt.fold import Field, SubjectState
from photonic.errors import RuleInvalid
from photonic.ids import POLICY, NodeId, Subject, digest
from photonic.placement.grammar import parse_rule
from photonic.placement.rules import Rule, Rules

PLACEMENT_POLICY: Final = Subject(POLICY, b"placement")
RULE_PREFIX: Final = "rule/"
ORDER: Final = "order"
_NAME_CHARS = 12


@dataclass(frozen=True, slots=True)
class Saying:
    """One version of a rule: its text, None of a version that removed it; who said it, and when."""

    text: str | None
    author: NodeId
    at: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule of the list with all its versions; more than one: they contest."""

    name: str
    said: tuple[Saying, ...]

    @property
    def is_contested(self) -> bool:
        return len(self.said) > 1

    @classmethod
    def alone(cls, text: str, author: NodeId) -> Entry:
        """Return a rule that nobody contests, as it would be if `author` set it."""
        return cls(RULE_PREFIX, (Saying(text, author, 0),))

    @property
    def latest(self) -> str:
        """The text that was said last."""
        said = max(
            ((one.at, one.text) for one in self.said if one.text is not None), default=(0, "")
        )
        return said[1]

    @property
    def texts(self) -> list[str]:
        return [one.text for one in self.said if one.text is not None]


def entries(state: SubjectState) -> list[Entry]:
    """Return the rules in the order in which people want to read them."""
    found = {
        name: Entry(name, _said(field))
        for name, field in state.fields.items()
        if name.startswith(RULE_PREFIX)
    }
    listed = [entry for entry in found.values() if entry.texts]
    place = _place(state)
    return sorted(listed, key=lambda one: place(one.name))


def read(listed: Sequence[Entry], today: date) -> Rules:
    """Read the rules that count; those of a newer photonic are `unread`.

    `today` is what `taken:7d` counts from, so they are read again when the day is another one.
    """
    rules: list[Rule] = []
    unread: list[str] = []
    for entry in listed:
        for text in entry.texts:
            try:
                rules.append(
                    parse_rule(text, today, name=entry.name, is_contested=entry.is_contested)
                )
            except RuleInvalid:
                unread.append(text)
    return Rules(tuple(rules), tuple(unread))


def changes(state: SubjectState, texts: Sequence[str]) -> dict[str, Any]:
    """Return what to set so that these are all the rules, settled; {} if they are already.

    A rule that takes the place of another keeps its name, so that who changed the same one apart
    contests it.
    """
    before, texts = entries(state), list(dict.fromkeys(texts))
    names = _matched(before, texts)
    said = zip(names, texts, strict=True)
    sets: dict[str, Any] = {n: text for n, text in said if not _is_settled(state, n, text)}
    sets |= {entry.name: None for entry in before if entry.name not in names}
    if names != sorted(names, key=_place(state)):
        sets[ORDER] = names
    return sets


def amended(state: SubjectState, add: Collection[str], remove: Collection[str]) -> dict[str, Any]:
    """Return what to set so that some rules are there and others are not; {} if it is so already.

    What contests stays as it is, but for a version that is removed: then the others stand alone.
    """
    before = entries(state)
    sets: dict[str, Any] = {}
    for entry in before:
        kept = [text for text in entry.texts if text not in remove]
        if len(kept) < len(entry.texts):
            sets[entry.name] = kept[0] if kept else None
    known = {text for entry in before for text in entry.texts} - set(remove)
    names = {entry.name for entry in before}
    for text in dict.fromkeys(add):
        if text not in known:
            name = _fresh(text, names)
            names.add(name)
            sets[name] = text
    return sets


def _matched(before: Sequence[Entry], texts: Sequence[str]) -> list[str]:
    """Return the name of each text: one that it has, that of the rule it replaces, or a new one."""
    has = {text: entry.name for entry in reversed(before) for text in entry.texts}
    names: list[str] = []
    for text in texts:  # two versions of one rule that are both to stay are two rules from now on
        name = has.get(text, "")
        names.append("" if name in names else name)
    old = [entry.name for entry in before]
    for kind, first, last, begin, end in SequenceMatcher(None, old, names, False).get_opcodes():
        if kind != "replace":
            continue
        free = [name for name in old[first:last] if name not in names]
        open_places = [at for at in range(begin, end) if not names[at]]
        for at, name in zip(open_places, free, strict=False):
            names[at] = name
    for at, text in enumerate(texts):
        if not names[at]:
            names[at] = _fresh(text, {*old, *names})
    return names


def _fresh(text: str, taken: set[str]) -> str:
    """Return a name for a new rule: the same on all nodes on which somebody adds it."""
    number = 0
    while True:
        said = digest(f"{number} {text}".encode()).hex()[:_NAME_CHARS]
        if RULE_PREFIX + said not in taken:
            return RULE_PREFIX + said
        number += 1


def _said(field: Field) -> tuple[Saying, ...]:
    found: dict[str | None, Saying] = {}
    for version in field.versions:
        text = _text(version.value)
        found.setdefault(text, Saying(text, version.author, version.at))
    return tuple(found.values())


def _text(value: Any) -> str | None:
    """Return the text of a rule; of what a newer photonic may have for one, something unread."""
    return value if value is None or isinstance(value, str) else f"of a newer photonic: {value!r}"


def _is_settled(state: SubjectState, name: str, text: str) -> bool:
    field = state.fields.get(name)
    return field is not None and [_text(one.value) for one in field.versions] == [text]


def _place(state: SubjectState) -> Callable[[str], tuple[int, str]]:
    """Return what says where a rule stands in the list: by the latest word on it, new ones last."""
    field = state.fields.get(ORDER)
    latest = max(field.versions, key=lambda one: (one.at, one.change)) if field else None
    value = latest.value if latest else None
    said = value[: 2 * limits.RULES_MAX] if isinstance(value, list | tuple) else ()
    place: dict[str, int] = {}
    for name in said:
        if isinstance(name, str):
            place.setdefault(name, len(place))
    return lambda name: (place.get(name, len(place)), name)
