"""How long questions to the index take: each kind, with parameters as they occur in the library."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from itertools import chain

from benchmarks.findings import Finding, Growth, percentiles
from benchmarks.homes import Home
from benchmarks.libraries import BEGAN, YEARS, Library
from benchmarks.questions import Questions
from photonic import limits
from photonic.crdt.index import PhotoIndex
from photonic.crdt.projection import ORIGINAL_KIND, PREVIEW_KIND, SIDECAR_KIND
from photonic.crdt.query import PhotoQuery
from photonic.search.criteria import ALL, Tree, with_defaults
from photonic.search.grammar import parse

_TODAY = date(BEGAN.year + YEARS, 1, 1)
_PAGE = limits.PAGE_ITEMS_DEFAULT
_KINDS = (ORIGINAL_KIND, PREVIEW_KIND, SIDECAR_KIND)
_WAITED_FOR = {"must": 30.0, "growth": Growth.LINEAR, "noise": 5.0}
_COUNTED = ("first page", "rating", "tag, high in the hierarchy", "text, common", "combination")


def ask(home: Home, library: Library, times: int) -> list[Finding]:
    """Ask `times` questions of each kind, and read the counts that the page shows."""
    index = PhotoIndex(home.index, home.seal)
    try:
        return list(chain.from_iterable(_ask(PhotoQuery(index.engine), library, times)))
    finally:
        index.close()


def _ask(query: PhotoQuery, library: Library, times: int) -> Iterator[list[Finding]]:
    questions = Questions(library)
    for kind in questions.kinds:
        texts = [questions.text(kind) for _ in range(times)]
        found = [query.page(_tree(text), _PAGE, None).items for text in texts[:20]]
        taken_s = [_timed(partial(_page, query, text)) for text in texts]
        note = f"{sum(map(bool, found))} of {len(found)} found some"
        yield percentiles(f"query: {kind}", taken_s, note=note, **_WAITED_FOR)
    yield percentiles("query: deep page", list(_deep(query, questions, times)), **_WAITED_FOR)
    for kind in _COUNTED:
        trees = [_tree(questions.text(kind)) for _ in range(times // 3 + 1)]
        for name, work in (("count", query.count), ("timeline", query.histogram)):
            taken_s = [_timed(partial(work, tree)) for tree in trees]
            yield percentiles(f"{name}: {kind}", taken_s, **_WAITED_FOR)
    others: dict[str, Callable[[], object]] = {
        "facets": query.facets,
        "totals for the status": partial(query.totals, _KINDS),
    }
    for name, ask_it in others.items():
        yield percentiles(name, [_timed(ask_it) for _ in range(times // 3 + 1)], **_WAITED_FOR)


def _deep(query: PhotoQuery, questions: Questions, times: int) -> Iterator[float]:
    """Time the page after some place in the middle of the timeline."""
    for _ in range(times):
        before = query.page(_tree(f"taken:..{questions.day()}"), 1, None).next
        yield _timed(partial(query.page, with_defaults(ALL), _PAGE, before))


def _page(query: PhotoQuery, text: str) -> object:
    return query.page(_tree(text), _PAGE, None)


def _tree(text: str) -> Tree:
    return with_defaults(parse(text, _TODAY).tree)


def _timed(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s
