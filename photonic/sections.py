"""What a user may set of each further library: a section of photonic.yaml.

    libraries:
      clients:
        watch: [~/Pictures/clients]
        quota_bytes: 200000000000

What a section does not say is as the first library has it (`INHERITED`) or as it is by itself;
addresses to listen on are those of the first library with ports of their own. The whole file is
judged whichever library is asked for, and every problem is told at once with its place.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from photonic import limits
from photonic.addresses import PORT_MAX
from photonic.config import SECTIONS, Layer, Settings, judge, load_settings, parse_file
from photonic.errors import ConfigInvalid, LibraryNameInvalid
from photonic.home import SETTINGS_FILE, resolve_home
from photonic.lodging import Lodging, check_library_name
from photonic.p2p.addresses import parse_endpoint

# Each library has its own, whatever the first one says.
OWN: dict[str, Any] = {
    "role": None, "peers": (), "watch": (), "workers": 1, "quota_bytes": None, "join": None,
    "passphrase_command": None, "tree": None, "nfs": "off", "nfs_rules": (),
    "nfs_listen": "127.0.0.1:2049",
}  # fmt: skip
INHERITED = (
    "name", "discovery", "relay", "upnp", "min_copies", "trash_days", "scrub_days", "scrub_mb_s",
    "reserve_bytes", "buffer_high", "buffer_low",
    "limit_in", "limit_out", "limit_schedule", "limit_parallel", "tree_template", "nfs_user",
)  # fmt: skip
ALLOWED = ({*OWN, *INHERITED} - {"join"}) | {"library_name", "listen", "lane_port"}
_PORTS_EACH = 2  # for conversations and for lanes


def load_first(flags: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of the first library. Raises ConfigInvalid, also for the sections."""
    return _load(flags, environ)[0]


def load_tenant(
    flags: Mapping[str, Any], lodging: Lodging, environ: Mapping[str, str] | None = None
) -> Settings:
    """Return the settings of a further library. Raises ConfigInvalid."""
    first, sections = _load(flags, environ)
    return settle(first, lodging, sections.get(lodging.name, {}))


def settle(first: Settings, lodging: Lodging, section: Mapping[str, Any]) -> Settings:
    """Return the settings of a library from those of the first and what its section says."""
    away = _PORTS_EACH * lodging.slot
    derived = {
        "home": lodging.home,
        "library_name": lodging.name,
        "listen": tuple(dict.fromkeys(_moved(address, away) for address in first.listen)),
        "lane_port": 0 if first.lane_port == 0 else None,
        "passphrase_fd": None,  # what was read from it is read
        "https": None,  # the daemon has one, with the certificate of the first
    }
    return first.model_copy(update=OWN | derived | dict(section))


def _moved(address: str, away: int) -> str:
    """Return a multiaddress with another port; 0, any free one, stays 0."""
    end = parse_endpoint(address)
    port = end.port + away if end.port else 0
    return str(replace(end, port=port if port <= PORT_MAX else 0))


def _load(
    flags: Mapping[str, Any], environ: Mapping[str, str] | None
) -> tuple[Settings, dict[str, dict[str, Any]]]:
    environ = os.environ if environ is None else environ
    problems: list[str] = []
    first: Settings | None = None
    try:
        first = load_settings(flags, environ)
    except ConfigInvalid as error:
        problems += error.problems
    sections = _judge_sections(flags, environ, problems)
    if first is not None:
        workers = first.workers + sum(
            section.get("workers", OWN["workers"]) for section in sections.values()
        )
        if workers > limits.WORKERS_MAX:
            problems.append(
                f"workers: {workers} over all libraries, and at most {limits.WORKERS_MAX} may be"
            )
    if problems or first is None:
        raise ConfigInvalid(problems)
    return first, sections


def _judge_sections(
    flags: Mapping[str, Any], environ: Mapping[str, str], problems: list[str]
) -> dict[str, dict[str, Any]]:
    home = resolve_home(flags.get("home"), environ)
    path = home / SETTINGS_FILE
    try:
        said = parse_file(path.read_text(encoding="utf-8")).get(SECTIONS)
    except (OSError, ValueError, yaml.YAMLError):
        return {}  # whoever reads the rest of the file has told that
    if said is None:
        return {}
    if not isinstance(said, dict):
        problems.append(f"{SECTIONS}: expected a section for each library ({path})")
        return {}
    sections: dict[str, dict[str, Any]] = {}
    for name, section in said.items():
        place = f"{path}, {SECTIONS}.{name}"
        try:
            check_library_name(str(name))
        except LibraryNameInvalid as error:
            problems.append(f"{SECTIONS}.{name}: {error.message} ({path})")
            continue
        if section is not None and not isinstance(section, dict):
            problems.append(f"{SECTIONS}.{name}: expected lines `setting: value` ({path})")
            continue
        values = {str(key): value for key, value in (section or {}).items() if value is not None}
        for key in [key for key in values if key not in ALLOWED]:
            del values[key]
            problems.append(f"{key}: {_reason(key)} ({place})")
        layer = Layer(values, place.replace("{", "{{").replace("}", "}}"), home)
        sections[str(name)] = judge(layer, problems)
    return sections


def _reason(key: str) -> str:
    if key in Settings.model_fields:
        return "it holds for the daemon and all of its libraries, and is set above"
    near = difflib.get_close_matches(key, ALLOWED, n=1)
    return f"there is no such setting; did you mean {near[0]}?" if near else "no such setting"
