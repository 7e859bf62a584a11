"""I7 as a property: what a revoked member says counts up to its cut and not beyond, everywhere.

The news of the revocation and the changes themselves arrive in every order, and in pieces.
"""

from __future__ import annotations

from hypothesis import strategies as st

from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import LABEL, REVOKED, TITLE
from photonic.ids import member_subject
from tests.crdt.replicas import Cluster, commit, import_draft, meet, photo

ADMIN, HONEST, THIEF, FAR = range(4)
PHOTOS = 3
STOLEN, FAIR = "stolen", "fair"

_PAIRS = st.sampled_from(
    [(ADMIN, HONEST), (ADMIN, THIEF), (HONEST, THIEF), (FAR, THIEF), (FAR, HONEST), (ADMIN, FAR)]
)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("meet"), _PAIRS, st.integers(1, 40)),
        st.tuples(st.just("steal"), st.integers(0, PHOTOS - 1)),
        st.tuples(st.just("work"), st.sampled_from([HONEST, FAR]), st.integers(0, PHOTOS - 1)),
        st.just(("revoke",)),
    ),
    max_size=24,
)


def check_members_only(acts: list[tuple[object, ...]]) -> None:
    """Play, let the honest nodes meet, and look at what counts."""
    cluster = Cluster(4)
    admin, honest, thief, far = cluster.catalogs
    commit(admin, *(import_draft(number) for number in range(PHOTOS)))
    for other in (honest, thief, far):
        meet(admin, other)
    (signed,) = thief.write([Draft(photo(0), {LABEL: FAIR})])
    thief.flush()
    meet(thief, admin)
    cut = signed.change.seq
    for act in [*acts, ("steal", 0), ("meet", (HONEST, THIEF), 40), ("revoke",)]:
        _play(cluster, act, cut)
    for _ in range(3):
        for left, right in ((admin, honest), (honest, far), (admin, far)):
            meet(left, right)
    for catalog in (admin, honest, far):
        assert not _shows(catalog, TITLE, STOLEN), "a change beyond the cut counts"
        assert _shows(catalog, LABEL, FAIR), "a change within the cut does not count"
        assert catalog.root_digest() == admin.root_digest(), "nodes hold different changes"
        for number in range(PHOTOS):
            assert catalog.state(photo(number)) == admin.state(photo(number)), "states differ"


def _play(cluster: Cluster, act: tuple[object, ...], cut: int) -> None:
    thief = cluster.identities[THIEF].node
    match act:
        case ("meet", (int() as left, int() as right), int() as messages):
            meet(cluster.catalogs[left], cluster.catalogs[right], cut_after=messages)
        case ("steal", int() as number):
            catalog = cluster.catalogs[THIEF]  # its program asks nobody what it may
            numbers = catalog.next_number
            catalog.write(
                [Draft(photo(number), {TITLE: STOLEN})],
                identity=cluster.identities[THIEF],
                seq=numbers,
            )
            catalog.flush()
        case ("work", int() as node, int() as number):
            commit(cluster.catalogs[node], Draft(photo(number), {LABEL: FAIR}))
        case ("revoke",):
            commit(cluster.catalogs[ADMIN], Draft(member_subject(thief), {REVOKED: cut}))


def _shows(catalog: Catalog, name: str, value: str) -> bool:
    states = [catalog.state(photo(number)) for number in range(PHOTOS)]
    fields = [state.fields[name] for state in states if name in state.fields]
    return any(version.value == value for field in fields for version in field.versions)
