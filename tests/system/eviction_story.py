"""A laptop with a small buffer, a studio and an archive: shot while apart and together.

Each is a real daemon in a network namespace of its own. A script from a seed says what happens:
shoots, partitions, kills, ratings, a rule, and at first rot on a disk. Meanwhile `EvictionWatch`
looks at the disks.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from blake3 import blake3
from PIL import Image

from simulations.ends import wait_for
from simulations.impairments import Impairments, rules
from simulations.residents import Resident, kept
from simulations.rooms import Room, lan
from tests.system import rash_node
from tests.system.eviction_ending import HIGH, LOW, Ending, entries, witnesses
from tests.system.eviction_script import (
    ARCHIVE,
    CENTRAL,
    MOBILE,
    NAMES,
    RULED_RATING,
    Act,
    Story,
    script,
)
from tests.system.eviction_watch import Disk, EvictionWatch
from tests.system.kill_story import kill

MIN_COPIES = 2
RULE = f"where rating>={RULED_RATING}: copies 3, one on mobile"
PORT = 4001
SCRUB_MB_S = 1_000  # what is asked for is read at an eighth of it while files move
WITHIN_S = 60.0


class Cuts:
    """Partitions between rooms of one switch: what comes from who is cut off is dropped."""

    def __init__(self, rooms: dict[str, Room]) -> None:
        self._rooms, self._faults = rooms, Impairments(rooms)

    def part(self, name: str, *, one_way: bool) -> None:
        self._faults.heal()
        self._faults.part([name], one_way=one_way)
        self._refresh()

    def heal(self) -> None:
        self._faults.heal()
        self._refresh()

    def _refresh(self) -> None:
        for target, room in self._rooms.items():
            cut_off = [
                other.address
                for source, other in self._rooms.items()
                if source != target and self._faults.are_cut(source, target)
            ]
            room.run("nft", "-f", "-", text=rules(cut_off, {}))


class Crew:
    """The three nodes, the cards that were shot, and what is done to them."""

    def __init__(
        self, story: Story, work: Path, rooms: dict[str, Room], watch: EvictionWatch
    ) -> None:
        self.story, self._work, self._watch = story, work, watch
        self._cuts = Cuts(rooms)
        self._dice = random.Random(f"{story.seed} photos")
        self.nodes = {name: Resident(work / name, room) for name, room in rooms.items()}
        for name, node in self.nodes.items():
            node.role, node.port = name, PORT
        self._running: set[str] = set()
        self._disks = {name: Disk(node.home) for name, node in self.nodes.items()}
        self._is_whole = True  # nobody is cut off
        self._peers: dict[str, str] = {}
        self._cards: dict[Path, bool] = {}  # whether all of it was taken in
        self._shot_on: dict[Path, set[str]] = {}
        self._asked: set[Path] = set()  # cards that the process that runs was asked to take in
        self.shots: list[str] = []
        self.stars: dict[str, int] = {}
        self.ending = Ending()

    def found(self) -> None:
        """Make the library, and have everybody know everybody."""
        for name in (CENTRAL, ARCHIVE, MOBILE):
            if name != CENTRAL:
                self.nodes[CENTRAL].invite(self.nodes[name])
            self.start(name)

    def start(self, name: str) -> None:
        if name in self._running:
            return
        node = self.nodes[name]
        words = ["--name", name, "--min-copies", str(MIN_COPIES), "--no-upnp"]
        words += ["--scrub-mb-s", str(SCRUB_MB_S)]
        for other, address in self._peers.items():
            words += ["--peer", address] if other != name else []
        if name == MOBILE:
            words += ["--buffer-high", str(HIGH), "--buffer-low", str(LOW)]
        if name == MOBILE and not self.story.has_own_disk:
            words += ["--quota-bytes", str(self.story.buffer_bytes)]
        node.start(*words)
        self._running.add(name)
        self._peers[name] = node.listen[0]
        self.take_in()

    def do(self, act: Act) -> None:
        """Do what the script says; what cannot be done now is passed over."""
        match act.do:
            case "shoot":
                self.shoot(act.number)
            case "cut":
                self._cuts.part(act.node, one_way=act.is_half)
                self._is_whole = False
            case "heal":
                self._cuts.heal()
                self._is_whole = True
            case "start":
                self.start(act.node)
            case "kill":
                if act.node not in self._running:
                    return
                self._kill(act)
            case "rate":
                if not self._rate(act.node, act.number):
                    return
            case "rule":
                self.start(act.node)
                self.nodes[act.node].send("PATCH", "/policies/placement", {"add": [RULE]})
                any(self._rate(act.node, RULED_RATING) for _ in self.shots)  # one at least
        is_apart = act.do == "shoot" and not self._is_whole
        self.ending.done["shoot apart" if is_apart else act.do] += 1

    def _kill(self, act: Act) -> None:
        """kill -9; some wait until a photo leaves, so that what is lacking then is done later."""
        if act.waits and self._disks[act.node].wait_leaving(self.story.leaves_within_s):
            self.ending.kills_amid += 1
        self._running.discard(act.node)
        if act.node == MOBILE:
            self._asked.clear()
        kill(self.nodes[act.node], with_children=not act.is_half)

    # --- photos ------------------------------------------------------------------------------

    def shoot(self, number: int) -> None:
        """Fill a card, and have it taken in if the mobile node runs."""
        card = self._work / f"card{number:03}"
        card.mkdir()
        count = self.story.shoot_photos
        for shot in range(number * count, (number + 1) * count):
            path = card / f"shot{shot:05}.jpg"
            colour = (shot % 256, shot // 256 % 256, 90)
            Image.new("RGB", (640, 480), colour).save(path, quality=90)
            with path.open("ab") as file:  # behind its end, as some cameras write
                file.write(self._dice.randbytes(self.story.photo_bytes - path.stat().st_size))
            self.shots.append(blake3(path.read_bytes()).hexdigest())
            self.ending.shot_bytes += path.stat().st_size
        self._shot_on[card] = set(self.shots[-count:])
        self._watch.expect(self._shot_on[card])
        self._cards[card] = False
        self.take_in()

    def take_in(self) -> bool:
        """Ask for what was not taken in, as far as is known; True once all of it was.

        Once in the life of a process: what finds no room then is taken in later by itself.
        """
        for card in [card for card, is_done in self._cards.items() if not is_done]:
            # Others have a photo only after the catalog has it.
            self._cards[card] = self._shot_on[card] <= frozenset().union(*self._watch.there)
            if not self._cards[card] and MOBILE in self._running and card not in self._asked:
                self.nodes[MOBILE].send("POST", "/imports", {"folder": str(card)})
                self._asked.add(card)
        return all(self._cards.values())

    def _rate(self, name: str, stars: int) -> bool:
        """Rate one that was not rated before; False if the node does not run or know it yet."""
        # What rotted is to be found by who is asked for it: it stays no longer than others.
        free = self.shots[self.story.rotten :]
        left = [shot for shot in free if shot in self._watch.seen and shot not in self.stars]
        if name not in self._running or not left:
            return False
        photo = self._dice.choice(left)
        try:
            self.nodes[name].send("PATCH", f"/photos/{photo}", {"rating": stars})
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.NOT_FOUND:
                raise
            return False
        self.stars[photo] = stars
        return True

    def rot(self) -> None:
        """Turn a bit in the central node's copies of the oldest photos, its times left alone."""
        for shot in self.shots[: self.story.rotten]:
            (path,) = (self.nodes[CENTRAL].home / "blobs" / "blobs").rglob(shot)
            mode = path.stat().st_mode
            path.chmod(0o600)
            with path.open("r+b") as file:
                file.seek(self.story.photo_bytes // 2)
                byte = file.read(1)[0]
                file.seek(-1, 1)
                file.write(bytes((byte ^ 1,)))
            path.chmod(mode)
            self.ending.done["rot"] += 1

    # --- the end -----------------------------------------------------------------------------

    def heal(self) -> None:
        """Have all of them run and reach each other."""
        self._cuts.heal()
        for name in NAMES:
            self.start(name)

    @property
    def ruled(self) -> set[str]:
        return {shot for shot, stars in self.stars.items() if stars >= RULED_RATING}

    def lacking(self) -> dict[str, set[str]]:
        """Return which photos are not where they are to be, by the last look at the disks."""
        central, archive = self._watch.there
        wanted = set(self.shots)
        return {
            CENTRAL: wanted - central, ARCHIVE: wanted - archive,
            MOBILE: self.ruled - self._watch.here,
        }  # fmt: skip

    def is_settled(self) -> bool:
        """Whether everything is where it is to be, and the buffer under its mark."""
        status = self.nodes[MOBILE].status()
        buffer, is_taken_in = status["buffer"], self.take_in()
        unsettled = {
            "cards": not is_taken_in,
            "photos": status["photos"] != len(self.shots),
            "buffer": buffer["state"] != "calm" or buffer["used_bytes"] >= buffer["high_bytes"],
            **self.lacking(),
        }
        self.ending.unsettled = [what for what, is_so in unsettled.items() if is_so]
        return not self.ending.unsettled

    def judge(self) -> None:
        """Fill in how it came out. The watch is over, and has looked a last time."""
        ending, watch, mobile = self.ending, self._watch, self.nodes[MOBILE]
        ending.looks, ending.slowest_look_s = watch.looks, watch.slowest_s
        ending.left, ending.least = len(watch.gone), watch.least
        self.is_settled()
        ending.lost, ending.ruled = self.lacking(), self.ruled
        ending.buffer_bytes = self._disks[MOBILE].weigh()
        said = list(entries(mobile))
        ending.evictions = len(said)
        ending.completed = sum("after" in one["facts"] for one in said)
        me = mobile.status()["node"]["id"]
        proven = {one["facts"]["blob"] for one in said if len(witnesses(one, me)) >= MIN_COPIES}
        ending.unproven = sorted(watch.gone - proven)
        for name, node in self.nodes.items():
            verdict = json.loads(node.run("--json", "audit", "verify"))
            ending.unsound += [] if verdict["sound"] else [name]


@contextmanager
def told(story: Story, place: Path, bug: str = "") -> Iterator[Ending]:
    """Let it happen in a folder, and say how it came out; nothing is left of it afterwards.

    It ends at the first breach. `bug` is planted in the mobile node, if it names one.
    """
    work = place / "work"
    try:
        yield _let_happen(story, work, bug)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _mounted(folder: Path, size_bytes: int) -> Iterator[None]:
    """Have a disk of a size, in memory, in a folder's place."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "buffer", str(folder)]
    subprocess.run(words, check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _let_happen(story: Story, work: Path, bug: str) -> Ending:
    for name in NAMES:
        (work / name).mkdir(parents=True)
    disks = [Disk(work / name) for name in NAMES]
    with ExitStack() as stack:
        if story.has_own_disk:
            stack.enter_context(_mounted(work / MOBILE, story.buffer_bytes))
        rooms = dict(zip(NAMES, stack.enter_context(lan(len(NAMES))), strict=True))
        watch = EvictionWatch(disks[0], disks[1:], MIN_COPIES)
        crew = Crew(story, work, rooms, watch)
        stack.enter_context(kept(list(crew.nodes.values())))
        if bug:
            crew.nodes[MOBILE].module = rash_node.__name__
            (work / MOBILE / "bug").write_text(bug)
        crew.found()
        with watch:
            began_s = time.monotonic()
            _play(crew, watch)
            played_s = time.monotonic()
            if not watch.broken.is_set():
                crew.heal()
                _wait(crew.is_settled, watch, story.settles_s)
            crew.ending.seconds = played_s - began_s
            crew.ending.settled_s = time.monotonic() - played_s
        crew.ending.breaches = watch.breaches
        if not watch.broken.is_set():
            watch.look()
            crew.judge()
    return crew.ending


def _play(crew: Crew, watch: EvictionWatch) -> None:
    crew.shoot(0)
    wait_for(lambda: crew.take_in() and not any(crew.lacking().values()), WITHIN_S, share=0)
    crew.rot()
    began_s = time.monotonic()
    for act in script(crew.story):
        if watch.broken.wait(max(0.0, began_s + act.at_s - time.monotonic())):
            return
        crew.do(act)
        crew.take_in()


def _wait(is_so: Callable[[], bool], watch: EvictionWatch, within_s: float) -> None:
    """Wait until it is so, or there is a breach, or the time is over: what is so then is judged."""
    until_s = time.monotonic() + within_s
    while not is_so() and time.monotonic() < until_s:
        if watch.broken.wait(0.5):
            return
