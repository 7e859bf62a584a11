"""The query language: text becomes a tree of conditions, or an error that points at a character.

    query = all of its terms; `or` and `|` between terms bind weaker than standing side by side
    term  = [-|not] ( "(" query ")" | field sign value | word | word* | "some words" )

There is one language for REST, the command line and saved albums; docs/search.md is its page.
Whatever is typed gives a `Query` or `QueryInvalid`, in time proportional to the text. Pure: what
"today" means comes in as an argument.
"""

from __future__ import annotations

import re
from datetime import UTC, date, tzinfo
from typing import Final, cast
from unicodedata import category, east_asian_width

from photonic import limits
from photonic.errors import QueryInvalid
from photonic.search.criteria import ALL, Has, Query, Sort, Tree, Words, all_of, any_of, negated
from photonic.search.term import Misread, Reader, Sign, Value, listed, suggestion
from photonic.search.vocabulary import FIELDS, HAS_WORDS, SYNONYMS, words_of

# A name and a sign. After a colon two strokes are an address of the web, which is plain text.
_FIELD = re.compile(r"([^\W\d_][\w-]*)(:(?!//)|>=|<=|[=<>])")
QUOTES: Final = '"\u201c\u201d\u201e'  # straight, and those that word processors make of them
_BARE = re.compile(rf"[^\s(){QUOTES}]*")
_QUOTED = re.compile(rf"[{QUOTES}]((?:[^{QUOTES}\\]|\\.)*)[{QUOTES}]", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_OR = ("or", "|")
_WORD_END = re.compile(rf"[\s(){QUOTES}]|\Z")
_SHOWN_BEFORE, _SHOWN_CHARS = 40, 72  # of a long query, in an error


def parse(text: str, today: date, zone: tzinfo = UTC) -> Query:
    """Read a query; nothing but space asks for everything.

    `today` and `zone` are those of who asks: `added:2024-05` means days of that zone. Raises
    QueryInvalid with the position and the number of the characters that are wrong.
    """
    if len(text) > limits.QUERY_CHARS_MAX:
        raise _invalid(
            text,
            limits.QUERY_CHARS_MAX,
            1,
            f"a query has {limits.QUERY_CHARS_MAX:,} characters at most",
        )
    return _Parser(text, today, zone).query()


class _Parser:
    """Reads one query from left to right."""

    def __init__(self, text: str, today: date, zone: tzinfo) -> None:
        self._text, self._today, self._zone = text, today, zone
        self._at, self._terms = 0, 0
        self._sort: Sort | None = None

    def query(self) -> Query:
        tree = self._alternatives(depth=0)
        if self._at < len(self._text):
            raise self._invalid("expected no ) here: there is no ( before it", self._at)
        return Query(tree, self._sort or Sort())

    def _alternatives(self, depth: int) -> Tree:
        """Read up to the end or the parenthesis that closes."""
        sides = [self._side(depth)]
        while word := self._keyword(*_OR):
            if sides[-1] == ALL:
                raise self._invalid(
                    f"expected a term before {word}", self._at - len(word), len(word)
                )
            sides.append(self._side(depth))
        if sides[-1] == ALL and (len(sides) > 1 or depth > 0):
            raise self._invalid("expected a term", self._at)
        return any_of(*sides)

    def _side(self, depth: int) -> Tree:
        """Read terms that stand side by side."""
        found: list[Tree] = []
        while not self._is_at_end_of_side():
            if self._keyword("and"):
                continue
            term = self._term(depth)
            if isinstance(term, Sort):
                self._sort = term
            else:
                found.append(term)
        return all_of(*found)

    def _is_at_end_of_side(self) -> bool:
        self._skip_space()
        if self._at == len(self._text) or self._text[self._at] == ")":
            return True
        return any(self._is_keyword(word) for word in _OR)

    def _term(self, depth: int) -> Tree | Sort:
        begin, is_negated = self._at, False
        while word := "-" if self._text.startswith("-", self._at) else self._is_keyword("not"):
            self._at += len(word)
            if word == "-" and (self._at == len(self._text) or self._text[self._at].isspace()):
                raise self._invalid("expected a term right behind -", self._at - 1)
            self._skip_space()
            is_negated = not is_negated
        first = self._at
        if self._is_at_end_of_side():
            raise self._invalid("expected a term", first)
        term = self._group(depth) if self._text[first] == "(" else self._condition()
        if not isinstance(term, Sort):
            return negated(term) if is_negated else term
        if depth > 0 or begin < first or self._sort is not None:
            only = "expected sort: only once, without - or not, and outside of parentheses"
            raise self._invalid(only, begin, self._at - begin)
        return term

    def _group(self, depth: int) -> Tree:
        begin = self._at
        if depth == limits.QUERY_DEPTH_MAX:
            deepest = f"expected at most {depth} parentheses in one another"
            raise self._invalid(deepest, begin)
        self._at += 1
        tree = self._alternatives(depth + 1)
        if self._at == len(self._text):
            raise self._invalid("expected a ) that closes this", begin)
        self._at += 1
        return tree

    def _condition(self) -> Tree | Sort:
        begin, self._terms = self._at, self._terms + 1
        if self._terms > limits.QUERY_TERMS_MAX:
            raise self._invalid(f"expected at most {limits.QUERY_TERMS_MAX} terms", begin)
        if found := _FIELD.match(self._text, begin):
            name = found[1].lower()
            if name not in FIELDS:
                raise self._invalid(_unknown(found[1]), begin, len(found[1]))
            self._at = found.end()
            value = self._value(cast(Sign, found[2]), may_have_stroke=name == "tag")
            if not value.text and not value.is_quoted:
                raise self._invalid(f"expected a value right behind {found[0]}", self._at)
            return self._read(FIELDS[name], value, found.end())
        if self._text[begin] in ":=<>":
            together = "expected the field before the sign, as in rating>=3 without spaces"
            raise self._invalid(together, begin)
        return self._read(_free_text, self._value(":"), begin)

    def _value(self, sign: Sign, may_have_stroke: bool = False) -> Value:
        begin = self._at
        if self._text[begin : begin + 1] in tuple(QUOTES):
            found = _QUOTED.match(self._text, begin)
            if not found:
                raise self._invalid("expected a quotation mark that closes this", begin)
            text, self._at = _ESCAPED.sub(r"\1", found[1]), found.end()
            has_star = self._text.startswith("*", self._at)
            self._at += has_star
        else:
            found = _BARE.match(self._text, begin)
            assert found, "it may be empty"
            if "|" in found[0] and not may_have_stroke:
                stroke = begin + found[0].index("|")
                raise self._invalid("expected spaces on both sides of |", stroke)
            self._at, has_star = found.end(), found[0].endswith("*")
            text = found[0].removesuffix("*")
        is_quoted = self._text[begin : begin + 1] in tuple(QUOTES)
        return Value(text, sign, is_quoted, has_star, self._today, self._zone)

    def _read(self, reader: Reader, value: Value, begin: int) -> Tree | Sort:
        """Read the value that stands from `begin` up to here."""
        try:
            return reader(value)
        except Misread as error:
            if error.length is None or (value.is_quoted and error.offset >= 0):
                raise self._invalid(str(error), begin, self._at - begin) from None
            raise self._invalid(str(error), begin + error.offset, error.length) from None

    def _keyword(self, *some: str) -> str:
        """Step over one of these words and return it as it stands there; "" if none does."""
        self._skip_space()
        found = next((word for one in some if (word := self._is_keyword(one))), "")
        self._at += len(found)
        return found

    def _is_keyword(self, word: str) -> str:
        found = self._text[self._at : self._at + len(word)]
        if found.lower() != word or not (
            word == "|" or _WORD_END.match(self._text, self._at + len(word))
        ):
            return ""
        return found

    def _skip_space(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    def _invalid(self, message: str, position: int, length: int = 1) -> QueryInvalid:
        return _invalid(self._text, position, length, message)


def _free_text(value: Value) -> Tree:
    """Read words; `has-raw` is another way to write `has:raw`."""
    before, _, behind = value.text.lower().partition("-")
    if before == "has" and behind in HAS_WORDS and not value.is_quoted and not value.has_star:
        return Has(HAS_WORDS[behind])
    return Words(words_of(value), value.is_quoted and not value.has_star)


def _unknown(name: str) -> str:
    known = SYNONYMS.get(name.lower())
    hint = f"; did you mean {known}?" if known else suggestion(name, FIELDS)
    hint = hint or f", but {listed(FIELDS, 'and')}"
    shown = name if len(name) < _SHOWN_BEFORE else name[:_SHOWN_BEFORE] + "…"
    return f"there is no field {shown}{hint}"


def _invalid(text: str, position: int, length: int, message: str) -> QueryInvalid:
    """Return the error that shows the query, with ^ under the characters that are wrong."""
    first = max(0, position - _SHOWN_BEFORE) if len(text) > _SHOWN_CHARS else 0
    shown = "".join(" " if category(one)[0] in "CZ" else one for one in text[first:])[:_SHOWN_CHARS]
    before, cut = "…" if first else "", "…" if len(text) > first + len(shown) else ""
    marked = shown[position - first : position - first + length]
    indent = " " * _columns(before + shown[: position - first])
    pointer = indent + "^" * max(_columns(marked), 1)
    place = f"(character {position + 1})"
    return QueryInvalid(
        f"{message} {place}\n  {before}{shown}{cut}\n  {pointer}", position, max(length, 1)
    )


def _columns(text: str) -> int:
    """Return how many columns of a terminal `text` takes."""
    return sum(
        0 if category(one)[0] == "M" else 2 if east_asian_width(one) in "WF" else 1 for one in text
    )
