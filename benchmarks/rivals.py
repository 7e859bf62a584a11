"""Others doing the same job on the same files: plaintext rsync, Syncthing, and bare lanes.

Each returns seconds from "go" until every file is there, on loopback, both ends on this machine.
Programs that are not installed are left out, and said to be.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_WITHIN_S = 900.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def _process(*command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _wait_for_port(port: int) -> None:
    until_s = time.monotonic() + 20
    while time.monotonic() < until_s:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")


def rsync_s(source: Path, work: Path) -> float | None:
    """Time `rsync --daemon`: plaintext, whole files, no fsync."""
    if shutil.which("rsync") is None:
        return None
    work.mkdir(parents=True)
    port, config = free_port(), work / "rsyncd.conf"
    config.write_text(
        f"port = {port}\naddress = 127.0.0.1\nuse chroot = no\n"
        f"[photos]\npath = {source}\nread only = yes\n"
    )
    command = ("rsync", "--daemon", "--no-detach", f"--config={config}")
    with _process(*command, log=work / "log.txt"):
        _wait_for_port(port)
        began_s = time.monotonic()
        subprocess.run(
            ["rsync", "-a", "--whole-file", f"rsync://127.0.0.1:{port}/photos/", f"{work}/out/"],
            check=True,
        )
        return time.monotonic() - began_s


def syncthing_s(source: Path, work: Path) -> float | None:
    """Time two Syncthing daemons, from knowing the index until the last file is there."""
    if shutil.which("syncthing") is None:
        return None
    nodes = [_Syncthing(work / "a"), _Syncthing(work / "b")]
    target = work / "out"
    target.mkdir(parents=True)
    with nodes[0].running(), nodes[1].running():
        for node, other, folder in ((nodes[0], nodes[1], source), (nodes[1], nodes[0], target)):
            node.share(other, folder, sends=node is nodes[0])
        nodes[0].wait(lambda status: status["state"] == "idle" and status["localFiles"] > 0)
        files = nodes[0].status()["localFiles"]
        for node, other in ((nodes[0], nodes[1]), (nodes[1], nodes[0])):
            node.call("PATCH", f"/rest/config/devices/{other.device}", {"paused": False})
        nodes[1].wait(lambda status: status["globalFiles"] > 0)
        began_s = time.monotonic()
        nodes[1].wait(lambda status: status["localFiles"] == files and status["needFiles"] == 0)
        return time.monotonic() - began_s


class _Syncthing:
    """One Syncthing daemon that talks to nobody but the other one."""

    def __init__(self, home: Path) -> None:
        self.home, self.gui, self.listen = home, free_port(), free_port()
        home.mkdir(parents=True)
        generate = ["syncthing", "generate", "--home", str(home), "--skip-port-probing"]
        subprocess.run(generate, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._configure(home / "config.xml")
        answer = subprocess.run(
            ["syncthing", "--device-id", "--home", str(home)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        self.device = re.findall(r"[A-Z0-9]{7}(?:-[A-Z0-9]{7}){7}", answer.stdout)[0]

    def _configure(self, path: Path) -> None:
        tree = ET.parse(path)  # written by syncthing a moment ago
        root = tree.getroot()
        self.key = root.findtext("gui/apikey", "")
        options = {
            "listenAddress": f"tcp://127.0.0.1:{self.listen}",
            "globalAnnounceEnabled": "false",
            "localAnnounceEnabled": "false",
            "relaysEnabled": "false",
            "natEnabled": "false",
            "urAccepted": "-1",
            "crashReportingEnabled": "false",
            "autoUpgradeIntervalH": "0",
            "startBrowser": "false",
        }
        section = root.find("options")
        address = root.find("gui/address")
        assert section is not None and address is not None
        address.text = f"127.0.0.1:{self.gui}"
        for name, value in options.items():
            entry = section.find(name)
            (ET.SubElement(section, name) if entry is None else entry).text = value
        for folder in root.findall("folder"):
            root.remove(folder)
        tree.write(path)

    @contextmanager
    def running(self) -> Iterator[None]:
        command = ("syncthing", "serve", "--no-browser", "--no-restart", "--home", str(self.home))
        with _process(*command, log=self.home / "log.txt"):
            _wait_for_port(self.gui)
            yield

    def call(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.gui}{path}",
            headers={"X-API-Key": self.key},
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            data = answer.read()
        return json.loads(data) if data.strip() else None

    def share(self, other: _Syncthing, folder: Path, *, sends: bool) -> None:
        device = {
            "deviceID": other.device,
            "addresses": [f"tcp://127.0.0.1:{other.listen}"],
            "paused": True,
            "compression": "metadata",
        }
        self.call("POST", "/rest/config/devices", device)
        shared = {
            "id": "photos",
            "path": str(folder),
            "type": "sendonly" if sends else "receiveonly",
            "devices": [{"deviceID": other.device}],
            "fsWatcherEnabled": False,
            "rescanIntervalS": 0,
        }
        self.call("POST", "/rest/config/folders", shared)

    def status(self) -> Any:
        return self.call("GET", "/rest/db/status?folder=photos")

    def wait(self, is_so: Any) -> None:
        until_s = time.monotonic() + _WITHIN_S
        while not is_so(self.status()):
            if time.monotonic() > until_s:
                raise TimeoutError("syncthing did not finish")
            time.sleep(0.05)
