"""What keeps this node from storing what it fetches: a full or broken disk, a catalog that fails.

One problem is shown at a time; it is told when it begins and when the last one is over.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from photonic.errors import PhotonicError, StoreBroken, StoreFull
from photonic.events import Event, ProblemsChanged

log = logging.getLogger(__name__)


class Trouble:
    """See the module. Times are monotonic seconds."""

    def __init__(self, announce: Callable[[Event], object], recheck_s: float) -> None:
        self._announce, self._pause_s = announce, recheck_s
        self.problem: PhotonicError | None = None
        self._of_catalog: PhotonicError | None = None
        self._recheck_s: float | None = None  # no room on the disk; looked at again then

    @property
    def is_disk_shut(self) -> bool:
        """Whether nothing is to be fetched, for it could not be stored."""
        return self._recheck_s is not None

    def note(self, problem: PhotonicError, now_s: float) -> None:
        """There is a problem of this node."""
        if isinstance(problem, StoreFull | StoreBroken):
            self._recheck_s = now_s + self._pause_s
        if self.problem is None:
            log.warning("%s", problem)
            self._announce(ProblemsChanged(1))
        self.problem = problem

    def note_catalog(self, error: Exception, now_s: float) -> None:
        """The catalog could not be asked or told."""
        problem = PhotonicError(f"the catalog failed: {error!r}")
        self._of_catalog = error if isinstance(error, PhotonicError) else problem
        self.note(self._of_catalog, now_s)

    def catalog_is_well(self) -> None:
        self._of_catalog = None

    def is_recheck_due(self, now_s: float) -> bool:
        """Whether to look at the disk again; the next time is a while later."""
        if self._recheck_s is None or now_s < self._recheck_s:
            return False
        self._recheck_s = now_s + self._pause_s
        return True

    def disk_is_well(self) -> None:
        self._recheck_s = None

    def settle(self, problems: Iterable[PhotonicError]) -> None:
        """Take the problem back when nothing suffers from it any more."""
        if self.problem is None or self.is_disk_shut:
            return
        left = [*problems, *([self._of_catalog] if self._of_catalog else [])]
        if not left:
            self._announce(ProblemsChanged(0))
        self.problem = left[0] if left else None
