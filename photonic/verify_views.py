"""What is shown of verifying stored files: the JSON of the REST face as values, as in views.py."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ScrubView:
    """The regular verification of what is stored here. Counts of blobs are since the start.

    `overdue`: last verified more than `days` ago. `damaged` ones wait for their repair,
    `unreadable` ones for the disk. `days` is 0 where files are only verified when somebody asks
    for it.
    """

    days: int
    paused: bool
    overdue: int
    overdue_bytes: int
    oldest: str | None  # when the blob was verified whose verification is the oldest
    verified: int
    verified_bytes: int
    damaged: int
    unreadable: int
    repaired: int


@dataclass(frozen=True, slots=True)
class DueView:
    """What becomes due for its verification between two moments; `begin` and `end` are one for
    what is due now."""

    begin: str
    end: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ScrubCalendarView:
    """When what is stored now is verified again, and by when all of it was, once more.

    `all_by`: at `mb_s`, the rate of a node with nothing else to do; null while the regular
    verification is paused or off. Where it is later than the last part's `end`, the rate is too low
    for the period.
    """

    days: int
    mb_s: float
    parts: list[DueView]
    all_by: str | None


@dataclass(frozen=True, slots=True)
class FindingView:
    """A blob that was not as it should be: mended, damaged, lost or unreadable; then repaired."""

    blob: str
    photo: str | None
    name: str | None
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class VerificationView:
    """A verification that somebody asked for: `done` of `total` photos, or files if it is of all.

    `total` is None until it is known. `blobs` were read, `bytes` long; `absent` originals are not
    on this node. `findings` are the first of them, as they are now. `problem`: why it ended early.
    """

    id: str
    q: str | None  # None: of everything that is stored, or of photos named by their ids
    counts: str  # photos, files
    done: int = 0
    total: int | None = None
    blobs: int = 0
    bytes: int = 0
    sound: int = 0
    mended: int = 0
    damaged: int = 0
    lost: int = 0
    unreadable: int = 0
    absent: int = 0
    findings: list[FindingView] = field(default_factory=list)
    finished: bool = False
    problem: str | None = None
