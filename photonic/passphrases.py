"""Where the passphrase of a node's keys comes from, tried in this order.

1. A file descriptor (`passphrase_fd`), read to its end: for whoever starts the node.
2. A credential that systemd hands over: the file `photonic-passphrase` in $CREDENTIALS_DIRECTORY.
3. A command (`passphrase_command`) that prints it, run without a shell: `pass show photonic`.
4. The system's keyring, if the lock of the keys says that it is there.
5. The terminal, if there is one.

What is given is used whole, but for one end of line behind it.
"""

from __future__ import annotations

import getpass
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from photonic import limits
from photonic.config import Settings
from photonic.errors import KeyringUnusable, PassphraseNeeded
from photonic.layout import Layout
from photonic.system_keyring import recall
from photonic.vault import Ask

CREDENTIAL = "photonic-passphrase"
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"  # systemd's


def source_of(settings: Settings, environ: Mapping[str, str] | None = None) -> Ask:
    """Return what gives the passphrase, by the settings of this start."""
    folder = (os.environ if environ is None else environ).get(CREDENTIALS_VARIABLE)
    credential = Path(folder) / CREDENTIAL if folder else None

    def ask() -> str:
        if settings.passphrase_fd is not None:
            return _from_descriptor(settings.passphrase_fd)
        if credential is not None and credential.is_file():
            return _text(credential.read_bytes()[: limits.PASSPHRASE_BYTES_MAX])
        if settings.passphrase_command is not None:
            return _from_command(settings.passphrase_command)
        if name := Layout(settings.home).vault.keyring_name():
            return _from_keyring(name)
        return _from_terminal()

    return ask


def ask_for_new() -> str:
    """Ask for a new passphrase at the terminal, twice. Raises PassphraseNeeded without one."""
    if not sys.stdin.isatty():
        needed = PassphraseNeeded()
        needed.args = ("a new passphrase is typed, twice, and nobody is here who could",)
        needed.fix = "Run it at a terminal."
        raise needed
    while True:
        passphrase = getpass.getpass("New passphrase: ")
        if passphrase and getpass.getpass("The same again: ") == passphrase:
            return passphrase
        sys.stderr.write("They differ, or nothing was given.\n")


def _from_terminal() -> str:
    if not sys.stdin.isatty():
        raise PassphraseNeeded
    return getpass.getpass("Passphrase of this node's keys: ")


def _from_keyring(name: str) -> str:
    try:
        return recall(name)
    except KeyringUnusable as error:
        if not sys.stdin.isatty():
            raise
        sys.stderr.write(f"{error.message}. The passphrase on paper will do.\n")
    return _from_terminal()


def _from_descriptor(number: int) -> str:
    try:
        with os.fdopen(number, "rb") as file:
            return _text(file.read(limits.PASSPHRASE_BYTES_MAX))
    except OSError as error:
        raise PassphraseNeeded(f"file descriptor {number} cannot be read: {error}") from error


def _from_command(command: str) -> str:
    try:
        made = subprocess.run(  # noqa: S603 - the user's own setting
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=limits.PASSPHRASE_COMMAND_S,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        name = command.split()[0] if command.split() else command
        raise PassphraseNeeded(f"{name} gave none: {type(error).__name__}") from error
    return _text(made.stdout[: limits.PASSPHRASE_BYTES_MAX])


def _text(data: bytes) -> str:
    """Return what was given. Raises PassphraseNeeded for nothing, and for what is no text."""
    try:
        text = data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise PassphraseNeeded("what was given is no text") from error
    if not text:
        raise PassphraseNeeded("what was given is empty")
    return text
