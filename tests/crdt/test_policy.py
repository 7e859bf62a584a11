"""Which of several concurrent values is shown, and what of the catalog that depends on."""

from __future__ import annotations

from photonic.crdt.fields import RATING, SIDECAR_PREFIX, TRASHED
from photonic.crdt.fold import Field, SubjectState, Version
from photonic.crdt.policy import AUTO, DISPLAY_POLICY, Display, display_of
from photonic.ids import ChangeId, NodeId

_MOBILE, _CENTRAL = NodeId(b"m" * 32), NodeId(b"c" * 32)


def _contest(mobile: object, central: object) -> Field:
    """The mobile node spoke last."""
    return Field(
        (
            Version(ChangeId(b"2" * 32), mobile, _MOBILE, 2),
            Version(ChangeId(b"1" * 32), central, _CENTRAL, 1),
        )
    )


def _shown(display: Display, name: str, contest: Field) -> object:
    version = display.pick(name, contest)
    return version.value if version else "nothing"


def test_the_rules_pick_what_they_say() -> None:
    contest = _contest(5, 1)
    roles = {_MOBILE: "mobile", _CENTRAL: "central"}
    assert _shown(AUTO, RATING, contest) == 5
    assert _shown(Display({"*": "manual"}), RATING, contest) == "nothing"
    assert _shown(Display({RATING: "prefer:central"}, roles), RATING, contest) == 1
    assert _shown(Display({RATING: "prefer:archive"}, roles), RATING, contest) == 5


def test_a_sidecar_is_never_picked_and_whoever_keeps_a_photo_prevails() -> None:
    assert _shown(AUTO, SIDECAR_PREFIX + "xmp", _contest("a", "b")) == "nothing"
    assert _shown(AUTO, TRASHED, _contest(True, None)) is None


def test_roles_count_only_where_a_rule_asks_for_them() -> None:
    """Otherwise each member that joins would have every contested photo shown anew."""
    nobody = SubjectState(DISPLAY_POLICY)
    assert display_of(nobody, {_MOBILE: "mobile"}) == display_of(nobody, {}) == AUTO
