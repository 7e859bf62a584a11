"""The simulated cluster runs the daemon's own code, and the product asks the world for the rest.

What a daemon is made of is read from its imports, beginning at `photonic.startup`; what a history
runs is watched while some are played. What is in the one and not in the other is listed here with
the reason, and nothing else may be.
"""

from __future__ import annotations

import ast
import sys
from types import FrameType

import pytest

from simulations import scenario as scenarios
from simulations.genesis import found_anew
from simulations.histories import draw
from simulations.play import play
from tests.source import ROOT, Source, sources

PRODUCT = {source.module: source for source in sources("photonic")}

# Modules of the daemon that no history runs.
LEFT_OUT = {
    "sockets and libp2p: a history's bytes go through simulations/transport.py": {
        "photonic.p2p.libp2p_transport", "photonic.p2p.libp2p_muxer", "photonic.p2p.streams",
        "photonic.p2p.sockets", "photonic.p2p.heartbeat", "photonic.p2p.discovery",
        "photonic.p2p.surroundings", "photonic.p2p.vestibule",
        "photonic.parts",
    },
    "the process that moves files: the same protocol goes over streams": {
        "photonic.p2p.bridge", "photonic.p2p.carriage", "photonic.p2p.splice",
        "photonic.p2p.lane_certificates", "photonic.p2p.lane_streams",
        "photonic.p2p.lane_messages", "photonic.p2p.compression", "photonic.p2p.arrivals",
        "photonic.p2p.open_blob",
    },
    "processes that read foreign files, and their walls": {
        "photonic.ingest.workers", "photonic.ingest.xmp", "photonic.jail.confinement",
        "photonic.jail.landlock", "photonic.jail.seccomp",
    },
    "what HTTP shows and secures": {"photonic.certificate", "photonic.logs", "photonic.home"},
    "what no act asks for: exports, imports, recovery, logs of photos, doctor, watched folders": {
        "photonic.bundle", "photonic.bundle_writer", "photonic.catalog_export",
        "photonic.catalog_import", "photonic.records", "photonic.replay", "photonic.recovery",
        "photonic.checks", "photonic.chronicle", "photonic.audit_views", "photonic.key_views",
        "photonic.resealing", "photonic.system_keyring", "photonic.names",
        "photonic.ingest.watch", "photonic.ingest.listing", "photonic.crdt.acts",
        "photonic.crdt.answers", "photonic.crdt.facets", "photonic.crdt.history",
        "photonic.search.notation", "photonic.search.periods", "photonic.search.quantities",
        "photonic.search.sample", "photonic.verify_views", "photonic.placement.grammar",
    },
    "the tree and its export over NFS: links on a real disk, which a history has not": {
        "photonic.tree.builder", "photonic.tree.disk", "photonic.tree.ledger",
        "photonic.tree.paths", "photonic.tree.picture", "photonic.tree.writing",
        "photonic.tree_catalog", "photonic.tree_keeper", "photonic.tree_words",
        "photonic.writebacks", "photonic.nfs.ganesha", "photonic.nfs.ganesha_config",
        "photonic.nfs.kernel", "photonic.nfs.probe", "photonic.nfs.rules",
    },
    "what one asks for when one disk is left, and how many copies there are": {
        "photonic.archived_home", "photonic.plain_restoration", "photonic.plain_tree",
        "photonic.restoration", "photonic.redundancy", "photonic.crdt.copies",
    },
    "catalogs of many thousand photos, and documents that somebody forged": {
        "photonic.index_builders", "photonic.index_messages", "photonic.rebuild",
        "photonic.crdt.new_shelf", "photonic.crdt.retelling", "photonic.crdt.union",
        "photonic.journal.compaction", "photonic.journal.pages", "photonic.blobs.notes",
        "photonic.blobs.reuse", "photonic.blobs.store",
    },
}  # fmt: skip

# Who writes to the disk beside `world.py`, and why the simulator need not see it as a write.
WRITERS = {
    "photonic/archived_home.py": "makes a folder of its own to read a damaged disk into",
    "photonic/plain_restoration.py": "restores into a folder of the user's",
    "photonic/plain_tree.py": "writes files into a folder of the user's",
    "photonic/restoration.py": "makes a home that no node opens before it is whole",
    "photonic/audit_log.py": "appends, and fsyncs by itself; a torn end is found at the start",
    "photonic/audit.py": "reads that log back, and cuts a torn end off",
    "photonic/authority.py": "writes over a key that is taken away",
    "photonic/blobs/shelf.py": "makes its folders, and removes empty ones",
    "photonic/bundle_writer.py": "exports into a folder of the user's",
    "photonic/crdt/directory.py": "drops a derived file that is damaged",
    "photonic/crdt/index.py": "drops a derived file that is damaged",
    "photonic/crdt/loader.py": "builds a derived file aside",
    "photonic/ingest/samples.py": "makes pictures for tests and doctors",
    "photonic/ingest/seen.py": "drops a derived file that is damaged",
    "photonic/jail/confinement.py": "a worker process says that it may be killed first",
    "photonic/journal/file.py": "makes its folder",
    "photonic/journal/salvage.py": "salvages a damaged journal; its own tests cut the power",
    "photonic/layout.py": "locks the home folder",
    "photonic/lodging.py": "makes the homes of further libraries",
    "photonic/nfs/ganesha.py": "makes folders of a server's, and its log",
    "photonic/nfs/kernel.py": "takes back a file in exports.d that was of no use",
    "photonic/tree/disk.py": "makes a derived tree of links; its own tests crash at every step",
    "photonic/tree/ledger.py": "drops a derived file that is damaged",
    "photonic/tree/writing.py": "lets go of a replaced sidecar when it was looked at",
    "photonic/tree_words.py": "lets go of a replaced sidecar when it was taken in",
    "photonic/p2p/lane_sockets.py": "gives OpenSSL a key, in the carrier",
    "photonic/p2p/lane_fetching.py": "wakes a thread of the carrier through a pipe",
    "photonic/running.py": "removes node.json, which is there only while it runs",
    "photonic/vault.py": "closes keys to others",
    "photonic/world.py": "is the world",
}
_WRITING_CALLS = {
    "os.write", "os.pwrite", "os.replace", "os.rename", "os.unlink", "os.remove", "os.fsync",
    "os.fdatasync", "os.truncate", "os.ftruncate", "os.link", "os.symlink", "os.mkdir",
    "os.makedirs", "os.rmdir", "os.chmod", "os.fchmod", "shutil.rmtree", "shutil.move",
    "shutil.copyfileobj", "shutil.copy", "shutil.copyfile",
}  # fmt: skip
_WRITING_METHODS = {
    "write_bytes", "write_text", "unlink", "rmdir", "hardlink_to", "symlink_to", "mkdir", "chmod",
}  # fmt: skip


def _has_code(source: Source) -> bool:
    """Whether a module has a function that does something: is no protocol's, and no property's."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = [each for each in node.body if not isinstance(each, ast.Expr)]
            if body:
                return True
    return False


def _daemon() -> set[str]:
    """Return the modules with code that a daemon is made of."""
    seen, open_ = set[str](), ["photonic.startup"]
    while open_:
        module = open_.pop()
        if module in seen or module not in PRODUCT:
            continue
        seen.add(module)
        open_ += [one.module for one in PRODUCT[module].imports if not one.is_for_types_only]
    return {module for module in seen if _has_code(PRODUCT[module])}


@pytest.fixture(scope="module")
def ran() -> set[str]:
    """Return the modules of which some histories ran a function."""
    files, inside = set[str](), f"{ROOT / 'photonic'}/"

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(inside) and code.co_name != "<module>":
            files.add(code.co_filename)

    found_anew()  # other tests of this process may have founded the same
    for name, seeds in (
        ("everyday", range(5)), ("members", range(3)), ("rollbacks", range(2)),
        ("leaping-clocks", range(1)),
    ):  # fmt: skip
        for seed in seeds:
            scenario = scenarios.load(name)
            sys.setprofile(note)
            try:
                outcome, _ = play(scenario, draw(scenario, seed))
            finally:
                sys.setprofile(None)
            assert outcome.is_good, outcome
    start = len(f"{ROOT}/")
    return {file[start:].removesuffix(".py").replace("/", ".") for file in files}


def test_histories_run_what_the_daemon_is_made_of(ran: set[str]) -> None:
    left_out = set[str]().union(*LEFT_OUT.values())
    assert left_out <= PRODUCT.keys(), f"are no more: {left_out - PRODUCT.keys()}"
    missing = sorted(_daemon() - ran - left_out)
    assert not missing, f"no history runs {missing}: let one, or list them with the reason"


def test_what_histories_run_is_the_daemons(ran: set[str]) -> None:
    assert len(ran) > 150
    assert {"photonic.startup", "photonic.node", "photonic.running", "photonic.keeper"} <= ran
    assert not {module for module in ran if module.startswith(("photonic.cli", "photonic.api"))}
    assert "photonic.p2p.memory_transport" not in ran
    assert "photonic.blobs.memory" not in ran


def test_the_disk_is_written_through_the_world() -> None:
    wild = []
    for source in PRODUCT.values():
        path = str(source.path)
        if path in WRITERS or path.startswith("photonic/cli/"):
            continue
        wild += [
            f"{path}:{line} calls {name}" for name, line in source.calls() if name in _WRITING_CALLS
        ]
        wild += [
            f"{path}:{node.lineno} calls .{node.func.attr}()"
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _WRITING_METHODS
        ]
    assert not wild, "\n".join(wild)


def test_every_exception_is_one() -> None:
    paths = {str(source.path) for source in PRODUCT.values()}
    assert WRITERS.keys() <= paths
