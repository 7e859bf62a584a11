"""What `photonic doctor` says of stored files and of the disk they are on: pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from photonic.errors import BlobDamaged, BlobUnreadable
from photonic.verify_views import ScrubView
from photonic.views import DoctorView
from photonic.world import Abilities

_GO_ON = "Let it go on with `photonic verify --resume`."
_SHARE_LATE = 2  # periods: a node that is off for a while is no reason to worry


def check_stored(scrub: ScrubView, alone: int, oldest_days: float | None) -> DoctorView:
    """Judge what is stored. `alone`: damaged originals that no other member says to hold."""
    name = "stored files"
    if scrub.damaged:
        detail = f"{scrub.damaged:,} are damaged and wait for their repair"
        if alone:
            detail += f"; of {alone:,} of them no other node is known to hold the original"
        return DoctorView(name, False, detail, BlobDamaged.fix)
    if scrub.unreadable:
        detail = f"the disk does not give {scrub.unreadable:,} of them"
        return DoctorView(name, False, detail, BlobUnreadable.fix)
    if oldest_days is None:
        return DoctorView(name, True, "there are none yet")
    days = math.ceil(oldest_days)
    detail = f"all were verified within {f'{days:,} days' if days > 1 else 'a day'}"
    if scrub.repaired:
        detail += f"; {scrub.repaired:,} were damaged and are repaired"
    if scrub.days and scrub.paused:
        return DoctorView(name, False, f"{detail}; verifying them is paused", _GO_ON)
    if scrub.days and oldest_days > _SHARE_LATE * scrub.days:
        fix = (
            "Leave the node running, or raise `scrub_mb_s` or `scrub_days`;"
            " `photonic verify` does all of it now."
        )
        detail += f", {scrub.overdue:,} later than the {scrub.days} that are set"
        return DoctorView(name, False, detail, fix)
    return DoctorView(name, True, detail)


def check_readers(walls: Sequence[str] | None, missing: Sequence[str]) -> DoctorView:
    """Say what holds the processes in that read foreign files; None: none has started yet."""
    name = "hostile files"
    if walls is None:
        return DoctorView(name, True, "no process that reads files has started yet")
    if not missing:
        return DoctorView(
            name, True, f"the processes that read photos are held in by: {', '.join(walls)}"
        )
    fix = (
        "Use a kernel with Landlock and seccomp (Linux 5.13 or newer, x86-64 or aarch64);"
        " a container must not refuse those calls."
    )
    return DoctorView(name, False, f"not held in by: {', '.join(missing)}", fix)


def check_file_system(abilities: Abilities) -> DoctorView:
    """Say what the file system of the store does for it; nothing of this is needed."""
    if abilities.shares_blocks:
        detail = "what is taken in from the same file system shares its room (reflinks)"
    elif abilities.copies_in_kernel:
        detail = "no reflinks: what is taken in is copied whole, by the kernel"
    else:
        detail = "no reflinks: what is taken in is read and written"
    links = "hard links" if abilities.hard_links else "no hard links"
    return DoctorView("file system", True, f"{detail}; {links}")
