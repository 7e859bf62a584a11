"""The house plan (DESIGN section 8), read from the source: who imports whom, how long, how named.

A file imports its own floor or below, never up and never in a circle. Where a test here fails, the
message names file and line; move the code to the floor where it belongs rather than the table.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePath

import pytest

from photonic.cli.loading import VERBS
from tests.source import CODE_FOLDERS, ROOT, Source, sources

# The floor of each folder, and of the files directly in photonic/ that are not the node's.
FOLDERS = {
    "jail": 0,
    "crdt": 1,
    "journal": 1,
    "search": 1,
    "placement": 1,
    "blobs": 2,
    "p2p": 3,
    "roles": 4,
    "ingest": 4,
    "tree": 4,
    "nfs": 4,
    "pipelines": 4,
    "api": 6,
    "cli": 7,
}
VALUES = {
    "__init__", "addresses", "attempts", "errors", "events", "ids", "identity", "limits", "names",
    "photos", "problems", "scopes", "vault", "wire", "world",
}  # fmt: skip
NODE_FLOOR, WORDS_FLOOR = 5, 7

# Heavy library -> the only files that import it.
IMPORTERS = {
    "pycrdt": {"photonic/crdt/document.py"},
    "libp2p": {
        "photonic/p2p/libp2p_transport.py",
        "photonic/p2p/libp2p_muxer.py",
        "photonic/p2p/lane_certificates.py",
    },
    "lz4": {"photonic/p2p/compression.py"},
    "keyring": {"photonic/system_keyring.py"},
    "zeroconf": {"photonic/p2p/discovery.py"},
    "miniupnpc": {"photonic/p2p/gateway.py"},
    "watchfiles": {"photonic/ingest/watch.py"},
    "pyexiv2": {"photonic/ingest/metadata.py"},
    "sqlmodel": {"photonic/crdt/index.py", "photonic/crdt/tables.py"},
    "sqlalchemy": {
        "photonic/crdt/index.py",
        "photonic/crdt/reading.py",
        "photonic/crdt/tables.py",
    },
}

# Decisions without an event loop: beside floors 0 and 1, these machines and plans of higher floors.
SANS_IO = {
    "photonic/p2p/messages.py",
    "photonic/p2p/gossip.py",
    "photonic/p2p/exchange.py",
    "photonic/p2p/compression.py",
    "photonic/p2p/enrol.py",
    "photonic/p2p/planner.py",
    "photonic/p2p/standing.py",
    "photonic/p2p/pacing.py",
    "photonic/p2p/endgame.py",
    "photonic/p2p/reach.py",
    "photonic/p2p/refusals.py",
    "photonic/p2p/rounds.py",
    "photonic/p2p/askable.py",
    "photonic/p2p/attestations.py",
    "photonic/p2p/jobs.py",
    "photonic/p2p/job.py",
    "photonic/wishes.py",
    "photonic/p2p/bandwidth.py",
    "photonic/p2p/rates.py",
    "photonic/p2p/ways.py",
    "photonic/blobs/chunks.py",
    "photonic/blobs/verify.py",
    "photonic/roles/presets.py",
    "photonic/roles/retention.py",
    "photonic/ingest/shoots.py",
    "photonic/tree/paths.py",
}
EVENT_LOOPS = {"trio", "anyio", "asyncio"}

LATE_IMPORTERS = {"photonic/cli/loading.py"}  # by importlib, in one place

# What only `world.py` and the drivers named here may touch, for the simulator takes its place.
OUTSIDE = (
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter",
    "time.sleep", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today",
    "datetime.date.today", "random.", "secrets.", "os.urandom", "uuid.uuid1", "uuid.uuid4",
    "socket.socket", "socket.create_connection",
)  # fmt: skip
DRIVERS = {
    "photonic/world.py",
    "photonic/api/server.py",
    "photonic/p2p/libp2p_transport.py",
    "photonic/p2p/discovery.py",
    "photonic/p2p/lane_sockets.py",
    "photonic/p2p/mailbox.py",
    "photonic/p2p/splice.py",
    "photonic/p2p/surroundings.py",
    "photonic/p2p/carrier.py",
}

# Files of floor 6 that are called after what they answer for, as the verbs are after themselves.
SUBJECTS = {
    "albums", "audit", "catalog", "conflicts", "evictions", "exports", "history", "keys", "limits",
    "members", "page", "peers", "photos", "placement", "policies", "search", "tokens", "transfers",
    "trash",
    "verifications",
}  # fmt: skip

BANNED_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "tools"}
LINES_MAX, FUNCTION_LINES_MAX, COLUMNS_MAX = 400, 70, 100
# A list that is read by looking one thing up may be longer than what is read from the top.
CATALOGUES = {"photonic/errors.py": 1_200, "photonic/limits.py": 540, "photonic/config.py": 520}

PRODUCT = sources("photonic")
ALL = sources(*CODE_FOLDERS)


def floor_of(module: str) -> int | None:
    """Return the floor of a module of ours, None for one in a folder that the table lacks."""
    inside = module.split(".")[1:] or ["__init__"]
    if inside[0] in FOLDERS:
        return FOLDERS[inside[0]]
    if len(inside) > 1:
        return None
    if inside[0] in VALUES:
        return 0
    return WORDS_FLOOR if inside[0] == "__main__" else NODE_FLOOR


def our_imports(source: Source) -> Iterator[tuple[str, int]]:
    """Yield the modules of ours that `source` imports, types included, each with its line."""
    modules = {other.module for other in PRODUCT}
    for one in source.imports:
        if one.module in modules and one.module not in ("photonic", source.module):
            yield one.module, one.line


def is_of(module: str, library: str) -> bool:
    return module == library or module.startswith(library + ".")


def test_every_folder_has_a_floor() -> None:
    homeless = [str(one.path) for one in PRODUCT if floor_of(one.module) is None]
    assert not homeless, f"say in tests/test_floors.py on which floor they live: {homeless}"


def test_nothing_imports_upwards() -> None:
    upward = [
        f"{source.path}:{line} (floor {floor_of(source.module)}) imports {module}"
        f" (floor {floor_of(module)})"
        for source in PRODUCT
        for module, line in our_imports(source)
        if (floor_of(module) or 0) > (floor_of(source.module) or 0)
    ]
    assert not upward, "\n".join(upward)


def test_nothing_imports_in_a_circle() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for source in PRODUCT:
        # A package's __init__ is run by its modules, and holds nothing that they import.
        for module, _ in our_imports(source):
            graph[source.module].add(module)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("library", IMPORTERS)
def test_a_heavy_library_has_its_importer_and_no_other(library: str) -> None:
    importers = {
        str(source.path)
        for source in PRODUCT
        for one in source.imports
        if is_of(one.module, library)
    }
    assert importers <= IMPORTERS[library]
    # The table must not outlive the file: whoever is named and there does import it.
    there = {path for path in IMPORTERS[library] if any(str(s.path) == path for s in PRODUCT)}
    assert importers == there


def test_values_catalog_and_machines_know_no_event_loop() -> None:
    loops = [
        f"{source.path}:{one.line} imports {one.module}"
        for source in PRODUCT
        if (floor_of(source.module) or 0) <= 1 or str(source.path) in SANS_IO
        for one in source.imports
        if one.module.partition(".")[0] in EVENT_LOOPS
    ]
    assert not loops, "\n".join(loops)


def test_imports_stand_at_the_top() -> None:
    late = [
        f"{source.path}:{one.line} imports {one.module} inside a function"
        for source in ALL
        for one in source.imports
        if one.is_inside_function
    ]
    late += [
        f"{source.path}:{line} calls {name}"
        for source in PRODUCT
        if str(source.path) not in LATE_IMPORTERS
        for name, line in source.calls()
        if name.startswith("importlib.import") or name == "__import__"
    ]
    assert not late, "\n".join(late)


def test_time_chance_and_sockets_come_through_the_world() -> None:
    direct = [
        f"{source.path}:{line} calls {name}"
        for source in PRODUCT
        if str(source.path) not in DRIVERS
        for name, line in source.calls()
        if any(name == out or (out.endswith(".") and name.startswith(out)) for out in OUTSIDE)
    ]
    assert not direct, "\n".join(direct)


def test_tests_wait_for_events_and_never_sleep() -> None:
    sleeps = [
        f"{source.path}:{line} calls {name}"
        for source in ALL
        if source.is_test
        for name, line in source.calls()
        if name == "time.sleep"
    ]
    assert not sleeps, "\n".join(sleeps)


def test_files_and_functions_are_short() -> None:
    long = [
        f"{source.path} has {len(source.text.splitlines())} lines"
        for source in ALL
        if len(source.text.splitlines()) > CATALOGUES.get(str(source.path), LINES_MAX)
    ]
    long += [
        f"{source.path}:{line} {name} has {length} lines"
        for source in ALL
        for name, line, length in source.functions()
        if length > FUNCTION_LINES_MAX
    ]
    long += [
        f"{source.path}:{number} has {len(text)} columns"
        for source in ALL
        for number, text in enumerate(source.text.splitlines(), 1)
        if len(text) > COLUMNS_MAX
    ]
    assert not long, "\n".join(long)


def test_files_are_named_after_what_they_are() -> None:
    vague = [
        str(source.path)
        for source in ALL
        if BANNED_NAMES & set(PurePath(source.path).with_suffix("").name.split("_"))
        or BANNED_NAMES & set(source.path.parts[:-1])
    ]
    assert not vague, f"name what is in them: {vague}"


def test_every_limit_is_set_once() -> None:
    limits = next(source for source in PRODUCT if source.module == "photonic.limits")
    names = [
        word.strip()
        for line in limits.text.splitlines()
        if " = " in line and line[:1].isupper()
        for word in line.split(" = ")[0].split(",")
    ]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"limits.py sets these a second time: {sorted(twice)}"


def test_the_tour_names_every_file_on_its_floor() -> None:
    """ARCHITECTURE.md says which room a line belongs in; verbs and REST routes are named alike."""
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    parts = re.split(r"(?m)^ floor (\d)  ", page.partition("\n```\n floor")[2].partition("```")[0])
    named: dict[int, set[str]] = {}
    first = "7  " + parts[0]
    for number, text in [(first[0], first[3:]), *zip(parts[1::2], parts[2::2], strict=True)]:
        named[int(number)] = set(re.findall(r"[a-z_0-9]+", text))
    lacking = []
    for source in PRODUCT:
        name = PurePath(source.path).stem
        floor = floor_of(source.module)
        assert floor is not None
        is_alike = name in (VERBS.values() if floor == WORDS_FLOOR else SUBJECTS)
        if not name.startswith("__") and not is_alike and name not in named[floor]:
            lacking.append(f"{source.module} is not on floor {floor} of ARCHITECTURE.md")
    assert not lacking, "\n".join(lacking)
