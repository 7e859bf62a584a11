"""Which of several concurrent values is displayed. A pure pick; it settles nothing.

All nodes pick the same, for the pick depends on the versions alone. The contest stays visible
until someone settles it with a change that has seen all of them.
"""

from __future__ import annotations

from photonic.crdt.fields import ORIGINAL, SIDECAR_PREFIX
from photonic.crdt.fold import Field, Version


def displayed(name: str, field: Field) -> Version | None:
    """Return the version to show for a field, or None where a person must choose.

    A contested sidecar is never picked silently: it holds somebody's work on the picture. A
    contested original goes to the larger file, then to the later word; everything else to the
    later word. (`versions` come latest first.)
    """
    if not field.is_contested:
        return field.versions[0]
    if name.startswith(SIDECAR_PREFIX):
        return None
    if name == ORIGINAL:
        return max(field.versions, key=lambda version: (_size(version), version.at, version.change))
    return field.versions[0]


def _size(version: Version) -> int:
    value = version.value
    if isinstance(value, (list, tuple)) and len(value) > 1 and isinstance(value[1], int):
        return value[1]
    return 0
