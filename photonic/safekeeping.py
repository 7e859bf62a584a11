"""How a node's keys are kept, changed: without a passphrase, under one, or in the system's keyring.

The keyring keeps a random passphrase, never the keys: they stay in their files, under it. Each home
folder has two names there, FOLDER TAG-1 and FOLDER TAG-2, and its lock says which one is in force.
A new passphrase goes under the other name, is read back, and only then comes into force by the
lock's one durable write; what is not in force is taken away afterwards. A crash between two steps
leaves an entry that opens nothing, or one too many, which the next change takes away.

TAG is random, and names of another folder are never taken away: a folder that was copied, and the
one that took its place, do not spoil one another's.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path

from photonic import limits
from photonic.config import Settings
from photonic.errors import KeyringUnusable
from photonic.passphrases import ask_for_new
from photonic.startup import open_layout
from photonic.system_keyring import forget, keep
from photonic.vault import Kept, Vault
from photonic.world import World

_TAG_BYTES, _GROUP = 8, 4
_SLOTS = ("1", "2")


@dataclass(frozen=True, slots=True)
class Safekeeping:
    """What was done. `passphrase`: the one that was made; `left`: names that the keyring has still.

    The passphrase is never printed unless somebody asks for it.
    """

    files: list[str]
    passphrase: str = ""
    left: tuple[str, ...] = ()


def keep_keys(settings: Settings, way: Kept) -> Safekeeping:
    """Keep the keys of the home folder in another way. The node must not run. Blocking.

    Raises HomeInUse, PassphraseNeeded, PassphraseWrong, KeyringUnusable, KeyDamaged.
    """
    layout, world = open_layout(settings), World()
    with layout.lock():
        vault = layout.vault
        vault.unlock()
        before, made = vault.keyring_name(), ""
        if way is Kept.FILE:
            vault.unprotect()
        elif way is Kept.PASSPHRASE:
            vault.protect(ask_for_new())
        else:
            made = put_into_keyring(vault, layout.home, world)
        left = forget_all_but(vault.keyring_name(), before, layout.home)
    return Safekeeping([str(path) for path in vault.files()], made, left)


def put_into_keyring(vault: Vault, home: Path, world: World) -> str:
    """Keep the keys under a random passphrase that the keyring keeps. Returns the passphrase."""
    name = _next_name(vault.keyring_name(), home, world)
    passphrase = _written(world.entropy.token(limits.KEYRING_SECRET_BYTES))
    keep(name, passphrase)
    vault.protect(passphrase, keyring=name)
    return passphrase


def forget_all_but(in_force: str, before: str, home: Path) -> tuple[str, ...]:
    """Take this folder's other names out of the keyring; return those that cannot be taken."""
    names = {name for known in (in_force, before) if known for name in _slots(known)}
    left = []
    for name in sorted(names - {in_force}):
        if not _is_of(name, home):
            continue  # of the folder that this one was copied from
        try:
            forget(name)
        except KeyringUnusable:
            left.append(name)
    return tuple(left)


def _next_name(now: str, home: Path, world: World) -> str:
    if _is_of(now, home):
        return next(name for name in _slots(now) if name != now)
    return f"{_place(home)} {world.entropy.token(_TAG_BYTES).hex()}-{_SLOTS[0]}"


def _slots(name: str) -> list[str]:
    stem = name.rpartition("-")[0]
    return [f"{stem}-{slot}" for slot in _SLOTS]


def _is_of(name: str, home: Path) -> bool:
    return name.rpartition(" ")[0] == _place(home)


def _place(home: Path) -> str:
    return os.fsencode(home.resolve()).decode("utf-8", "backslashreplace")


def _written(secret: bytes) -> str:
    """Write a secret so that it can be copied by hand: 52 letters and digits in groups."""
    text = base64.b32encode(secret).decode().rstrip("=").lower()
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))
