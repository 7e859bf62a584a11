"""The rules of placement as this node knows them: what they want of blobs, and who may change them.

The rules are in the catalog, their conditions are asked of the index, and `photonic/placement`
decides; here the three meet. What is known of rules and members is read again when the root of the
catalog changes, and when the day does, for a rule may speak of days.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import trio

from photonic.catalog_thread import CatalogThread
from photonic.crdt.answers import AtRisk
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fold import SubjectState
from photonic.crdt.matching import MatchQuery
from photonic.crdt.query import PhotoQuery
from photonic.crdt.roster import Roster
from photonic.errors import QueryInvalid, RuleInvalid
from photonic.events import Event, PlacementChanged
from photonic.ids import BlobId, NodeId, peer_id
from photonic.placement.decision import Demand, Member, demand, most, named
from photonic.placement.demands import Level, levels, originals
from photonic.placement.grammar import parse_rule
from photonic.placement.policy import PLACEMENT_POLICY, Entry, amended, changes, entries, read
from photonic.placement.rules import Floor, Need, Rank, Rule, Rules
from photonic.roles.presets import ROLES
from photonic.search.criteria import Tree, any_of, conditions
from photonic.search.saved import Album, with_saved
from photonic.world import Clock


@dataclass(frozen=True, slots=True)
class Known:
    """What this node knows at one moment: the list of rules, and the members whose copies count."""

    listed: Sequence[Entry] = ()
    members: Sequence[Member] = ()
    others: Sequence[Member] = ()  # members whose copies do not count


class Placements:
    """See the module. `needs`, `originals` and `at_risk` block, and may be asked on any thread."""

    def __init__(
        self,
        thread: CatalogThread,
        query: PhotoQuery,
        matching: MatchQuery,
        clock: Clock,
        me: Member,
        floor: Floor,
        announce: Callable[[Event], object] = lambda _: None,
        on_change: Callable[[], object] = lambda: None,
    ) -> None:
        """`me`: this node, as long as the roster does not say otherwise.

        `on_change` is called when rules or members are others than before.
        """
        self._announce, self._on_change = announce, on_change
        self._thread, self._query, self._matching = thread, query, matching
        self._clock, self._me, self.floor = clock, me, floor
        self._known = Known()
        self._rules: tuple[date, Known, Rules] | None = None
        self._is_news = trio.Event()

    # --- what is known -----------------------------------------------------------------------

    async def load(self) -> None:
        """Read rules and members from the catalog."""
        self.know(await self._thread.call(known_in))

    def know(self, known: Known) -> None:
        """Go by these rules and members from now on."""
        is_news, self._known = known != self._known, known
        if is_news:
            self._on_change()
            self._announce(PlacementChanged(len(known.listed)))

    def note(self) -> None:
        """Hear that the root of the catalog changed."""
        self._is_news.set()

    async def run(self) -> None:
        """Read again what changed, until cancelled."""
        while True:
            await self._is_news.wait()
            self._is_news = trio.Event()
            await self.load()

    @property
    def members(self) -> Sequence[Member]:
        """The members whose copies count, in no order."""
        return self._known.members

    @property
    def listed(self) -> Sequence[Entry]:
        """The rules with all their versions, in their order."""
        return self._known.listed

    @property
    def today(self) -> date:
        """The day that rules count from: that of UTC, so that all nodes mean the same."""
        return datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).date()

    def member(self, node: NodeId) -> Member:
        """Return a member, whether or not its copies count; without a role if it is none."""
        everybody = (*self._known.members, *self._known.others)
        return next((one for one in everybody if one.node == node), member_of(node, "", ""))

    def me(self) -> Member:
        """Return this node as the roster has it, with what it fetches by the role that it runs."""
        mine = next((one for one in self.members if one.node == self._me.node), self._me)
        return replace(mine, wants_all=self._me.wants_all)

    def rules(self) -> Rules:
        """Return the rules that count, with what is in albums where they name some. Blocks."""
        known, today, cached = self._known, self.today, self._rules
        if cached is None or cached[0] != today or cached[1] is not known:
            self._rules = cached = (today, known, read(known.listed, today))
        return self._with_albums(cached[2])

    def conditions(self, entry: Entry) -> Tree | None:
        """Return the photos that a rule is about, by any of its versions. Blocks.

        None if it cannot be read.
        """
        found = self._with_albums(read([entry], self.today))
        return None if found.unread else any_of(*(rule.condition for rule in found.rules))

    def _with_albums(self, found: Rules) -> Rules:
        if not any(_names_albums(rule.condition) for rule in found.rules):
            return found
        albums = [Album(one.album.hex(), one.name, one.query) for one in self._query.albums()]
        rules: list[Rule] = []
        unread = [*found.unread]
        for rule in found.rules:
            try:
                tree = with_saved(rule.condition, albums, self.today, UTC)
            except QueryInvalid:
                unread.append(rule.text)
            else:
                rules.append(replace(rule, condition=tree))
        return Rules(tuple(rules), tuple(unread))

    # --- what they want ----------------------------------------------------------------------

    def kept_here(self, blobs: Collection[BlobId]) -> frozenset[BlobId]:
        """Return those that a rule wants on this node, or lets go nowhere. Blocks."""
        found = self.needs(blobs) if self.rules().rules else {}
        return frozenset(blob for blob, need in found.items() if need.rank is Rank.NEVER)

    def needs(self, blobs: Collection[BlobId]) -> dict[BlobId, Need]:
        """Return for each of some blobs what must stay if this node gives it up, and when it may.

        Costs one question to the index for each rule and 500 blobs. What is no photo's original as
        far as this node knows, it never gives up. Raises IndexUnreadable.
        """
        rules, members, me = self.rules(), self.members, self.me()
        found: dict[BlobId, list[Need]] = {}
        by_match: dict[tuple[int, ...], Need] = {}
        trees = [rule.condition for rule in rules.rules]
        for one in self._matching.matched(blobs, trees):
            if one.trees not in by_match:
                wanted = self._demand(rules, one.trees, members)
                by_match[one.trees] = wanted.need_of(me)
            found.setdefault(one.blob, []).append(by_match[one.trees])
        nobodys = Need(max(self.floor.copies, self.floor.least), (), Rank.NEVER)
        return {blob: most(found.get(blob, [nobodys])) for blob in blobs}

    async def needs_of(self, blobs: Collection[BlobId]) -> dict[BlobId, Need]:
        """Do `needs` on another thread."""
        return await trio.to_thread.run_sync(self.needs, blobs)

    def demand_of(self, photo: BlobId) -> Demand:
        """Return what the rules want for one photo. Blocks; raises IndexUnreadable."""
        rules = self.rules()
        numbers = self._matching.true_of(photo, [rule.condition for rule in rules.rules])
        return self._demand(rules, numbers, self.members)

    def is_of(self, photo: BlobId, tree: Tree) -> bool:
        """Whether a tree is true of a photo. Blocks; raises IndexUnreadable."""
        return bool(self._matching.true_of(photo, [tree]))

    def of_any(self, blobs: Sequence[BlobId], trees: Sequence[Tree]) -> set[BlobId]:
        """Return those of which, as a photo's original, any of the trees is true. Blocks."""
        return {one.blob for one in self._matching.matched(blobs, trees) if one.trees}

    def _demand(self, rules: Rules, numbers: Sequence[int], members: Sequence[Member]) -> Demand:
        return demand(rules, [rules.rules[number] for number in numbers], members, self.floor)

    def originals(self) -> Tree:
        """Return the photos whose originals this node wants to have. Blocks."""
        me = self.me()
        rules = self.rules().rules
        if not rules:
            return originals((), (), me, self.floor)
        return originals(rules, self.members, me, self.floor)

    def levels(self, copies: int | None = None) -> Sequence[Level]:
        """Part all photos by how many copies are wanted; `copies` where no rule says so. Blocks."""
        floor = self.floor if copies is None else replace(self.floor, copies=copies)
        return levels(self.rules().rules, floor)

    def at_risk(self, copies: int, *, counts_here: bool = True) -> AtRisk:
        """Count the photos with fewer copies than the rules want; `copies` where none says so."""
        parts = [(level.copies, level.tree) for level in self.levels(copies)]
        return self._matching.at_risk(parts, counts_here=counts_here)

    # --- changing them -----------------------------------------------------------------------

    async def set(self, texts: Sequence[str]) -> Sequence[Entry]:
        """Make these all the rules, by one change, and return them as they stand then.

        Raises RuleInvalid, NotAllowed.
        """
        self.check(texts)
        wanted = [text.strip() for text in texts]
        return await self._write(lambda state: changes(state, wanted))

    async def change(self, add: Sequence[str], remove: Sequence[str]) -> Sequence[Entry]:
        """Add rules and remove others, by their texts; what contests otherwise stays so.

        Raises as `set` does.
        """
        self.check(add)
        come = [text.strip() for text in add]
        gone = {text.strip() for text in remove} - set(come)
        return await self._write(lambda state: amended(state, come, gone))

    async def _write(self, sets_of: Callable[[SubjectState], Mapping[str, Any]]) -> Sequence[Entry]:
        def write(catalog: Catalog) -> None:
            sets = sets_of(catalog.state(PLACEMENT_POLICY))
            if sets:
                catalog.write([Draft(PLACEMENT_POLICY, sets)])

        await self._thread.call(write)
        await self.load()
        return self.listed

    def check(self, texts: Sequence[str]) -> list[Rule]:
        """Read rules that somebody wants to set. Raises RuleInvalid.

        Those that are set already may stay, whether or not they can be read here.
        """
        known = {text for entry in self.listed for text in entry.texts}
        found: list[Rule] = []
        for number, text in enumerate(texts, 1):
            try:
                rule = parse_rule(text, self.today)
                self._check_names(rule)
            except RuleInvalid as error:
                if text.strip() in known:
                    continue
                raise RuleInvalid(
                    f"rule {number}: {error}", error.position, error.length, number
                ) from None
            found.append(rule)
        return found

    def _check_names(self, rule: Rule) -> None:
        for name in rule.keep_on:
            if not named(name, self.members):
                known = ", ".join(sorted(f"{one.name} ({one.role})" for one in self.members))
                raise RuleInvalid(
                    f"no member is called {name}, nor has that peer ID; its members are {known}"
                )


def member_of(node: NodeId, role: str, name: str) -> Member:
    """Return a member with what its role fetches by itself."""
    preset = ROLES.get(role)
    return Member(node, role, name or peer_id(node), preset is not None and preset.wants_originals)


def known_in(catalog: Catalog) -> Known:
    """Return what a catalog says of rules and members, now."""
    roster = catalog.roster
    return Known(
        entries(catalog.state(PLACEMENT_POLICY)),
        _members(roster, roster.keeps),
        _members(roster, lambda node: roster.holds(node) and not roster.keeps(node)),
    )


def _members(roster: Roster, is_meant: Callable[[NodeId], bool]) -> Sequence[Member]:
    return [
        member_of(node, one.certificate.role, one.certificate.name)
        for node, one in sorted(roster.members.items())
        if is_meant(node)
    ]


def _names_albums(tree: Tree) -> bool:
    return any(getattr(one, "field", None) == "album" for one in conditions(tree))
