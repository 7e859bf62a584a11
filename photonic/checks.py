"""What `photonic doctor` says of stored files: a pure function of how their verification stands."""

from __future__ import annotations

from photonic.errors import BlobDamaged, BlobUnreadable
from photonic.verify_views import ScrubView
from photonic.views import DoctorView

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
    detail = f"all were verified within {oldest_days:,.0f} days"
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
