"""Syncthing doing the same job: two daemons that talk to nobody but each other."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.ends import Job, free_port, process, wait_for_port
from benchmarks.meter import Meter, Taken
from benchmarks.samples import count
from simulations.ends import End, LeftOut, wait_for

_READY_WITHIN_S = 20.0


def syncthing(job: Job) -> Taken:
    """Time two daemons, from the first of the other's index until the last file is there."""
    if shutil.which("syncthing") is None:
        raise LeftOut("syncthing is not installed")
    giver, taker = Syncthing(job.work / "a", job.giver), Syncthing(job.work / "b", job.taker)
    target = job.work / "out"
    target.mkdir(parents=True)
    with _marked(job.source), giver.running() as giver_pid, taker.running() as taker_pid:
        giver.share(taker, job.source, sends=True)
        taker.share(giver, target, sends=False)
        wait_for(lambda: giver.has_scanned(job.source), job.within_s)
        if job.change is not None:
            for node, other in ((giver, taker), (taker, giver)):
                node.talk_to(other)
            wait_for(lambda: taker.has_all_of(giver), job.within_s)
            taker.talk_to(giver, is_paused=True)
            job.change()
            giver.call("POST", "/rest/db/scan?folder=photos")
        before, known = job.wire(), taker.status()["globalBytes"]
        job.go()
        with Meter(giver=giver_pid, taker=taker_pid) as waiting:
            for node, other in ((giver, taker), (taker, giver)):
                node.talk_to(other)
            wait_for(lambda: taker.status()["globalBytes"] != known, job.within_s)
            with Meter(giver=giver_pid, taker=taker_pid) as meter:
                wait_for(lambda: taker.has_all_of(giver), job.within_s)
    meter.taken.note = f"and {waiting.taken.seconds - meter.taken.seconds:.1f} s for the index"
    meter.taken.wire_bytes = job.wire() - before if job.wire_bytes else None
    return meter.taken


@contextmanager
def _marked(source: Path) -> Iterator[None]:
    """Take away the mark that Syncthing leaves in a folder."""
    try:
        yield
    finally:
        shutil.rmtree(source / ".stfolder", ignore_errors=True)


class Syncthing:
    """One Syncthing daemon that talks to nobody but the other one."""

    def __init__(self, home: Path, end: End) -> None:
        self.home, self.end = home, end
        self.gui, self.listen = free_port(), free_port()
        self.url = f"http://127.0.0.1:{end.reach(self.gui)}"
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
            "listenAddress": f"tcp://{self.end.address}:{self.listen}",
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
    def running(self) -> Iterator[int]:
        """Run the daemon; gives its process id."""
        command = ("syncthing", "serve", "--no-browser", "--no-restart", "--home", str(self.home))
        log = self.home / "log.txt"
        with process(self.end, *command, log=log) as running:
            wait_for_port(self.end, self.gui, log, running, "127.0.0.1")
            wait_for(self._answers, _READY_WITHIN_S)
            yield running.pid

    def _answers(self) -> bool:
        try:
            self.call("GET", "/rest/system/ping")
        except OSError:
            return False
        return True

    def call(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(
            self.url + path,
            headers={"X-API-Key": self.key},
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            data = answer.read()
        return json.loads(data) if data.strip() else None

    def share(self, other: Syncthing, folder: Path, *, sends: bool) -> None:
        # One dials: two that dial at one time over a slow link meet half-way, and both fail.
        address = "dynamic" if sends else f"tcp://{other.end.address}:{other.listen}"
        device = {
            "deviceID": other.device,
            "addresses": [address],
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

    def talk_to(self, other: Syncthing, *, is_paused: bool = False) -> None:
        self.call("PATCH", f"/rest/config/devices/{other.device}", {"paused": is_paused})

    def has_scanned(self, source: Path) -> bool:
        status = self.status()
        return bool(status["state"] == "idle" and status["localFiles"] == count(source))

    def has_all_of(self, other: Syncthing) -> bool:
        theirs, ours = other.status(), self.status()
        return bool(
            ours["globalFiles"] == ours["localFiles"] == theirs["localFiles"]
            and ours["globalBytes"] == theirs["localBytes"]
            and ours["needFiles"] == 0
        )
