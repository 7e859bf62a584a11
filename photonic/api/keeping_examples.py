"""What answers about copies, evictions, rules of placement and exports look like."""

from __future__ import annotations

from dataclasses import replace

from photonic.api.examples import LEIA, PHOTO_ID, YODA
from photonic.eviction_views import EvictionsView, EvictionView
from photonic.exports import ExporterView, ExportsView, TreeView
from photonic.placement_views import (
    PlacedNodeView,
    PlacedRuleView,
    PlacementPolicyView,
    PlacementRuleView,
    PlacementView,
    RuleVersionView,
)
from photonic.redundancy import CopiesView, NodeCopiesView, RedundancyView, RoleCopiesView

EXPORTS = ExportsView(
    tree=TreeView(
        folder="/photos/tree",
        template="{year}/{date} {shoot}/{name}",
        state="ready",
        originals=1_843,
        sidecars=1_201,
        left=0,
        taken_in=17,
    ),
    nfs=ExporterView(
        kind="ganesha",
        state="serving",
        address="0.0.0.0:2049/photos",
        user="photonic-nfs",
        rules=["192.168.1.0/24 rw", "10.0.0.7 ro"],
        restarts=0,
        changed=False,
    ),
)

REDUNDANCY = RedundancyView(
    photos=84_112,
    min_copies=2,
    below=211,
    copies=[
        CopiesView(0, 0, 0),
        CopiesView(1, 211, 6_120_000_000),
        CopiesView(2, 61_880, 1_790_000_000_000),
        CopiesView(3, 22_021, 640_000_000_000),
    ],
    roles=[RoleCopiesView("archive", 83_400, 712), RoleCopiesView("mobile", 22_232, 61_880)],
    nodes=[
        NodeCopiesView(
            node=YODA,
            name="attic",
            role="archive",
            connected=False,
            photos=83_400,
            bytes=2_420_000_000_000,
            only_there=0,
            awaited=12,
            awaited_bytes=340_000_000,
        )
    ],
    awaited=12,
    awaited_bytes=340_000_000,
    unreachable=12,
    oldest="2026-11-03T02:11:09.000Z",
    overdue=0,
)

_EVICTED = EvictionView(PHOTO_ID, "DSC_0107.NEF", 25_165_824, "proven", "", ["studio", "attic"])

_STAYING = EvictionView(
    "cd" * 32, "DSC_0108.NEF", 25_165_824, "too-few-promises",
    "1 of 2 nodes prove that they hold it", ["studio"],
)  # fmt: skip

EVICTIONS = EvictionsView(
    50_331_648, [replace(_EVICTED, reason="seems-safe")], [_STAYING], 25_165_824, is_done=False
)

EVICTED = replace(EVICTIONS, going=[_EVICTED], is_done=True)

_RULE = "where rating>=3 or flag:pick: copies 3, one on archive"

PLACEMENT_POLICY = PlacementPolicyView(
    rules=[
        PlacementRuleView(
            text=_RULE,
            contested=False,
            versions=[RuleVersionView(text=_RULE, author=YODA, author_name="studio")],
            photos=412,
        )
    ],
    copies=2,
    least=1,
)

PLACEMENT = PlacementView(
    photo=PHOTO_ID,
    name="IMG_0001.CR3",
    copies=3,
    held=2,
    missing=1,
    on={"archive": 1},
    missing_on={},
    not_on=[],
    yielding=[],
    evict="normal",
    rules=[PlacedRuleView(text=_RULE, contested=False)],
    nodes=[
        PlacedNodeView(
            node=YODA, name="studio", role="central", here=True, held=True, counts=True,
            wanted=True, pinned=False, evict="normal", verified_at="2024-05-18T03:10:00Z",
        ),
        PlacedNodeView(
            node=LEIA, name="attic", role="archive", here=False, held=False, counts=True,
            wanted=True, pinned=True, evict="never", obstacle="offline since 2024-05-17 21:04",
        ),
    ],
)  # fmt: skip
