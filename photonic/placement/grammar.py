"""The rules' grammar: a line of text becomes a rule, or an error that points at a character.

    rule   = ( "where" condition | "everything" ) ":" clause { "," clause }
    clause = "copies" N | count "on" role | "evict" ( "first" | "last" | "never" )
           | "not" "on" role | "keep" "on" ( role | node )
    count  = "one" | "two" | "three" | N

The condition is a query as people type it (photonic/search) and ends at the first colon outside of
quotes that has a space or nothing behind it. It is read as UTC has the day, so that all nodes mean
the same by `taken:7d`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date
from typing import Final, NamedTuple, NoReturn

from photonic import limits
from photonic.crdt.policy import ROLES
from photonic.errors import QueryInvalid, RuleInvalid
from photonic.placement.rules import Rank, Rule
from photonic.search.criteria import ALL, Is, Number, Sort, Tree, conditions
from photonic.search.grammar import QUOTES, parse
from photonic.search.term import listed, suggestion

WHERE, EVERYTHING = "where", "everything"
_COUNTS: Final = {"one": 1, "two": 2, "three": 3}
_RANKS: Final = {"first": Rank.FIRST, "last": Rank.LAST, "never": Rank.NEVER}
_CLAUSES: Final = "copies 3, one on archive, not on mobile, keep on NODE or evict first"
_BEGIN = re.compile(r"\s*(where|everything)\b", re.IGNORECASE)
# Up to the colon that ends the condition: what is in quotes may hold others.
_CONDITION = re.compile(
    rf"(?:[{QUOTES}](?:[^{QUOTES}\\]|\\.)*[{QUOTES}]|(?!:(?:\s|\Z)).)*", re.DOTALL
)
_CLAUSE = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^,])*')
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|[^\s"]+|"')
_ESCAPED = re.compile(r"\\(.)")


class Word(NamedTuple):
    text: str
    at: int
    length: int


@dataclass(slots=True)
class _Said:
    """What the clauses of a rule said so far."""

    copies: int | None = None
    on: dict[str, int] = field(default_factory=dict)
    not_on: list[str] = field(default_factory=list)
    keep_on: list[str] = field(default_factory=list)
    evict: Rank | None = None


def parse_rule(text: str, today: date, *, name: str = "", is_contested: bool = False) -> Rule:
    """Read one rule. Raises RuleInvalid with the number of the characters that are wrong."""
    if len(text) > limits.RULE_CHARS_MAX:
        most = f"a rule has {limits.RULE_CHARS_MAX:,} characters at most"
        raise RuleInvalid(most, limits.RULE_CHARS_MAX)
    begin = _BEGIN.match(text)
    if begin is None:
        first = text.split()[0] if text.split() else ""
        hint = suggestion(first, (WHERE, EVERYTHING)) if first else ""
        at = len(text) - len(text.lstrip())
        raise _invalid(text, at, len(first), f"expected `where CONDITION:` or `everything:`{hint}")
    found = _CONDITION.match(text, begin.end())
    assert found is not None, "it may be empty"
    if found.end() == len(text):
        raise _invalid(
            text, len(text), 1, f"expected a colon and what is wanted behind it: {_CLAUSES}"
        )
    condition = _condition(text, begin, found.end(), today)
    said = _Said()
    for words, at in _clauses(text, found.end() + 1):
        _read_clause(text, words, at, said)
    return Rule(
        " ".join(text.split("\n")).strip(),
        condition,
        said.copies,
        tuple(sorted(said.on.items())),
        tuple(said.not_on),
        tuple(said.keep_on),
        said.evict,
        is_contested,
        name,
    )


def parse_rules(text: str, today: date) -> list[Rule]:
    """Read a file of rules, one a line; empty lines and those that begin with # say nothing.

    Raises RuleInvalid with everything that is wrong, and where.
    """
    found: dict[str, Rule] = {}
    wrong: list[str] = []
    first: RuleInvalid | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            rule = parse_rule(line, today)
        except RuleInvalid as error:
            first = first or RuleInvalid(str(error), error.position, error.length, number)
            wrong.append(f"line {number}: {error}")
        else:
            found.setdefault(rule.text, rule)
    if first is not None:
        raise RuleInvalid("\n".join(wrong), first.position, first.length, first.line)
    if len(found) > limits.RULES_MAX:
        raise RuleInvalid(f"a library has {limits.RULES_MAX} rules at most", None)
    return list(found.values())


def quoted(name: str) -> str:
    """Return a node's name as a rule has it."""
    is_bare = _WORD.fullmatch(name) and not set(name) & set(',"\\')
    return name if is_bare else '"' + re.sub(r'["\\]', r"\\\g<0>", name) + '"'


def _condition(text: str, begin: re.Match[str], end: int, today: date) -> Tree:
    query_text, at = text[begin.end() : end], begin.end()
    lead = len(query_text) - len(query_text.lstrip())
    shown, at = query_text.strip(), at + lead
    if begin[1].lower() == EVERYTHING:
        if shown:
            raise _invalid(text, at, len(shown), "expected a colon right behind `everything`")
        return ALL
    if not shown:
        raise _invalid(
            text, begin.end(), 1, "expected a condition such as rating>=3; for all: `everything:`"
        )
    try:
        query = parse(shown, today, UTC)
    except QueryInvalid as error:
        what = str(error).split("\n")[0].rpartition(" (character ")[0] or str(error)
        raise _invalid(text, at + (error.position or 0), error.length, what) from None
    if query.sort != Sort() or re.search(r"\bsort:", shown):
        raise _invalid(text, at, len(shown), "expected no sort: a rule has no order")
    for one in conditions(query.tree):
        if isinstance(one, Number) and one.field == "copies":
            raise _invalid(text, at, len(shown), _CIRCULAR)
        if isinstance(one, Is) and one.state in ("held", "removal-held"):
            raise _invalid(text, at, len(shown), _CIRCULAR)
    return query.tree


_CIRCULAR = (
    "expected nothing about where copies are (copies, is:held, is:missing, is:at-risk,"
    " is:removal-held): the rules decide that, and all nodes must read them alike"
)


def _clauses(text: str, begin: int) -> Iterator[tuple[list[Word], int]]:
    """Yield the words of each clause, and where it begins."""
    at = begin
    while True:
        found = _CLAUSE.match(text, at)
        assert found is not None, "it may be empty"
        words = [_word(one) for one in _WORD.finditer(text, at, found.end())]
        yield words, words[0].at if words else min(at, len(text))
        if found.end() == len(text):
            return
        at = found.end() + 1  # behind the comma


def _word(found: re.Match[str]) -> Word:
    is_quoted = found[1] is not None
    text = _ESCAPED.sub(r"\1", found[1]) if is_quoted else found[0]
    return Word(text, found.start(), found.end() - found.start())


def _read_clause(text: str, words: list[Word], at: int, said: _Said) -> None:
    """Add what one clause says."""

    def wrong(message: str, word: Word | None = None) -> NoReturn:
        place, length = (word.at, word.length) if word else (at, max(1, _length(words)))
        raise _invalid(text, place, length, message)

    lower = [word.text.lower() for word in words]
    match lower:
        case ["copies", number]:
            if said.copies is not None:
                wrong("expected copies only once")
            said.copies = _number(number, words[1], wrong)
        case ["evict", when]:
            if when not in _RANKS:
                wrong(f"expected first, last or never{suggestion(when, _RANKS)}", words[1])
            if said.evict is not None:
                wrong("expected evict only once")
            said.evict = _RANKS[when]
        case ["not", "on", role]:
            said.not_on.append(_role(role, words[2], wrong))
        case ["keep", "on", *names] if names:
            said.keep_on.append(_named(words[2:]))
        case [count, "on", role] if count.isdigit() or count in _COUNTS:
            number_of = _number(str(_COUNTS.get(count, count)), words[0], wrong)
            known = _role(role, words[2], wrong)
            if known in said.on:
                wrong(f"expected `on {known}` only once")
            said.on[known] = number_of
        case _:
            hint = suggestion(lower[0], ("copies", "evict", "not", "keep", "one")) if lower else ""
            wrong(f"expected {_CLAUSES}{hint}")
    both = [role for role in said.not_on if role in said.on or role in said.keep_on]
    if both:
        wrong(f"expected either something on {both[0]} or nothing, not both in one rule")


def _length(words: list[Word]) -> int:
    return words[-1].at + words[-1].length - words[0].at if words else 1


def _number(text: str, word: Word, wrong: Callable[[str, Word], NoReturn]) -> int:
    most = limits.MIN_COPIES_MAX
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most))):
        wrong(f"expected a number from 1 to {most}", word)
    if not 1 <= int(text) <= most:
        wrong(f"expected a number from 1 to {most}; no rule gives a photo up altogether", word)
    return int(text)


def _role(text: str, word: Word, wrong: Callable[[str, Word], NoReturn]) -> str:
    if text not in ROLES:
        wrong(f"expected {listed(ROLES)}{suggestion(text, ROLES)}", word)
    return text


def _named(words: list[Word]) -> str:
    """Return a role in lower case, or what a node was called."""
    name = " ".join(word.text for word in words)
    return name.lower() if name.lower() in ROLES else name


def _invalid(text: str, position: int, length: int, message: str) -> RuleInvalid:
    """Return the error that shows the rule, with ^ under the characters that are wrong."""
    line = text.replace("\t", " ").replace("\n", " ")
    first = max(0, position - 60)
    shown = line[first : first + 100]
    pointer = " " * (position - first) + "^" * max(1, min(length, 100 - (position - first)))
    return RuleInvalid(
        f"{message} (character {position + 1})\n  {shown}\n  {pointer}", position, max(1, length)
    )
