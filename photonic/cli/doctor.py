"""`photonic doctor`: checks that tell what is wrong and how to mend it, with or without a node.

What can be seen from outside is checked here; the running node adds its own checks. The exit
status says whether everything passed.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from photonic import __version__, limits
from photonic.cli import output
from photonic.cli.client import connect
from photonic.cli.invocation import Invocation
from photonic.cli.loading import load_settings
from photonic.cli.options import invocation_of
from photonic.config import Settings
from photonic.errors import (
    ChecksFailed,
    ConfigInvalid,
    HomeUnusable,
    KeyDamaged,
    KeyringUnusable,
    NodeNotRunning,
)
from photonic.layout import Layout
from photonic.system_keyring import keyring_hint, keyring_name, recall

PYTHON_MIN, PYTHON_END = (3, 11), (3, 14)


@dataclass(frozen=True, slots=True)
class Check:
    """One check; `fix` is empty when it passed."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


def run(context: typer.Context) -> None:
    """Check this installation, the home folder and the running node."""
    invocation = invocation_of(context)
    checks = [_check_python()]
    if invocation.remote is None:
        checks += [*_check_home(invocation.home), *_check_settings(invocation)]
    checks += _check_node(invocation)
    if invocation.json:
        output.print_json({"version": __version__, "items": [asdict(check) for check in checks]})
    else:
        for check in checks:
            output.print_line(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}")
            if not check.ok and check.fix:
                output.print_line(f"      → {check.fix}")
    failed = [check.name for check in checks if not check.ok]
    if failed:
        raise ChecksFailed(f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}")


def _check_python() -> Check:
    version = platform.python_version()
    if PYTHON_MIN <= sys.version_info[:2] < PYTHON_END:
        return Check("python", True, f"{version}, photonic {__version__}")
    return Check("python", False, version, "Run photonic on Python 3.11, 3.12 or 3.13.")


def _check_home(home: Path) -> Iterator[Check]:
    if not home.exists():
        yield Check("home", True, f"{home} is made by the first start")
        return
    if not home.is_dir() or not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        yield Check("home", False, f"{home} cannot be read and written", HomeUnusable.fix)
        return
    yield Check("home", True, str(home))
    free = shutil.disk_usage(home).free
    enough = free > limits.DISK_RESERVE_BYTES
    fix = "" if enough else "Free space on this disk: nothing more can be taken in."
    yield Check("disk", enough, f"{output.readable_bytes(free)} free at {home}", fix)


def _check_keys(home: Path, settings: Settings) -> Check:
    """Say how the keys are kept, and whether a start from here would get at them."""
    vault = Layout(home).vault
    if not vault.is_locked:
        there = keyring_name()
        hint = f". {keyring_hint(there)}" if there else ""
        return Check("keys", True, f"in files that only their owner may read{hint}")
    try:
        name = vault.keyring_name()
        if not name or settings.passphrase_command or settings.passphrase_fd is not None:
            return Check("keys", True, "under a passphrase")
        recall(name)
    except (KeyDamaged, KeyringUnusable) as error:
        return Check("keys", False, error.message, error.fix)
    return Check("keys", True, "under a passphrase that the system's keyring gives")


def _check_settings(invocation: Invocation) -> Iterator[Check]:
    try:
        settings = load_settings({"home": invocation.main_home}, invocation.find_lodging())
    except ConfigInvalid as error:
        for problem in error.problems:
            yield Check("settings", False, problem, error.fix)
    else:
        yield Check("settings", True, "file and environment are understood")
        yield _check_keys(invocation.home, settings)


def _check_node(invocation: Invocation) -> Iterator[Check]:
    try:
        client = connect(invocation)
    except NodeNotRunning as error:
        yield Check("node", False, error.message, error.fix)
        return
    with client:
        status = client.get("/status")
        yield Check("node", True, f"{status['node']['name']} answers at {status.get('http', '')}")
        for told in client.get("/doctor")["items"]:
            yield Check(told["name"], told["ok"], told["detail"], told.get("fix") or "")
        for problem in status["problems"]:
            place = f"{problem['path']}: " if problem.get("path") else ""
            yield Check(problem["code"], False, place + problem["message"], problem["fix"])
