"""The configuration of NFS-Ganesha: written, and read back before it is used. Pure.

A syntax error in that file makes a running Ganesha drop every export, so nothing is ever written
that was not read again first, by a parser as strict as Ganesha's own. Beside the tree there is an
export of an empty folder, for this machine alone, whose name changes with every version of the
file: a listing of that one shows that Ganesha has taken in this very version.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from photonic.errors import ExportRuleInvalid
from photonic.nfs.exporter import PSEUDO, Export
from photonic.nfs.rules import Rule

_TOKEN = re.compile(r'\s*(?:#[^\n]*\n\s*)*([{};=]|"[^"\n]*"|[^\s{};=#"]+)')
_SAFE_PATH = re.compile(r"/[^\x00-\x1f\x7f\"\\]*")
TREE_EXPORT = 1
_LOOPBACKS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - the keys are what people set


@dataclass(frozen=True, slots=True)
class GaneshaPlace:
    """Where a Ganesha serves, and where it may write."""

    host: str
    port: int
    state: Path
    ready: Path  # an empty folder


@dataclass(slots=True)
class Block:
    """One block of a configuration."""

    name: str
    values: dict[str, str] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)


def ready_name(version: int) -> str:
    """Return under which name a version of the configuration has its empty folder."""
    return f"ready-{version}"


def reached_at(host: str) -> str:
    """Return where this machine reaches itself, and comes from when it does."""
    return _LOOPBACKS.get(host, host)


def config_of(export: Export, place: GaneshaPlace, version: int) -> str:
    """Return a configuration that was read back. Raises ExportRuleInvalid."""
    me = reached_at(place.host)
    clients = "".join(_client(rule) for rule in export.rules)
    text = f"""\
# Written by photonic; what is changed here is overwritten.
NFS_CORE_PARAM {{
    Bind_addr = {place.host};
    NFS_Port = {place.port};
    Protocols = 4;
    Enable_NLM = false;
    Enable_RQUOTA = false;
    Enable_UDP = false;
}}
NFSv4 {{
    Graceless = true;
    Only_Numeric_Owners = true;
    RecoveryRoot = {_quoted(place.state)};
}}
NFS_KRB5 {{ Active_krb5 = false; }}
VFS {{ only_one_user = true; }}
EXPORT_DEFAULTS {{ SecType = sys; Protocols = 4; Transports = TCP; }}
EXPORT {{
    Export_Id = {TREE_EXPORT};
    Path = {_quoted(export.folder)};
    Pseudo = {PSEUDO};
    Access_Type = NONE;
    Squash = All_Squash;
    Anonymous_Uid = {export.user.uid};
    Anonymous_Gid = {export.user.gid};
    Attr_Expiration_Time = 0;
{clients}    FSAL {{ Name = VFS; }}
}}
EXPORT {{
    Export_Id = {2 + version % 60_000};
    Path = {_quoted(place.ready)};
    Pseudo = /{ready_name(version)};
    Access_Type = NONE;
    Squash = All_Squash;
    Anonymous_Uid = {export.user.uid};
    Anonymous_Gid = {export.user.gid};
    CLIENT {{ Clients = {me}; Access_Type = RO; }}
    FSAL {{ Name = VFS; }}
}}
LOG {{ Default_Log_Level = EVENT; }}
"""
    check(text, export)
    return text


def _client(rule: Rule) -> str:
    access = "RW" if rule.may_write else "RO"
    return f"    CLIENT {{ Clients = {rule.client}; Access_Type = {access}; }}\n"


def _quoted(path: Path) -> str:
    text = str(path)
    if _SAFE_PATH.fullmatch(text) is None:
        raise ExportRuleInvalid(f"{text!r} has characters that no export can name")
    return f'"{text}"'


def check(text: str, export: Export) -> None:
    """Raise ExportRuleInvalid unless a configuration says what an export is, and no more."""
    blocks = parse(text)
    trees = [block for block in blocks if block.values.get("Pseudo") == PSEUDO]
    if len(trees) != 1:
        raise ExportRuleInvalid("the configuration does not have the tree once")
    tree = trees[0]
    said = [
        (one.values["Clients"], one.values["Access_Type"])
        for one in tree.blocks
        if one.name == "CLIENT"
    ]
    wanted = [(rule.client, "RW" if rule.may_write else "RO") for rule in export.rules]
    is_as_meant = (
        said == wanted
        and all(ipaddress.ip_network(client) for client, _ in said)
        and tree.values["Path"] == str(export.folder)
        and (tree.values["Access_Type"], tree.values["Squash"]) == ("NONE", "All_Squash")
        and tree.values["Anonymous_Uid"] == str(export.user.uid)
    )
    if not is_as_meant:
        raise ExportRuleInvalid("the configuration says another thing than the rules")


def parse(text: str) -> list[Block]:
    """Read a configuration. Raises ExportRuleInvalid for whatever Ganesha would not read."""
    tokens = _tokens(text)
    root = Block("")
    _read_into(root, tokens, is_inside=False)
    if root.values:
        raise ExportRuleInvalid("a setting stands outside of any block")
    return root.blocks


def _tokens(text: str) -> Iterator[str]:
    position, end = 0, len(re.sub(r"(\s|#[^\n]*\n)*\Z", "", text))
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None:
            raise ExportRuleInvalid(f"the configuration cannot be read at {text[position:][:20]!r}")
        position = found.end()
        yield found[1]


def _read_into(block: Block, tokens: Iterator[str], *, is_inside: bool) -> None:
    for name in tokens:
        if name == "}" and is_inside:
            return
        if not re.fullmatch(r"[A-Za-z_0-9]+", name):
            raise ExportRuleInvalid(f"{name!r} is no name of a setting or a block")
        match next(tokens, ""):
            case "{":
                inner = Block(name)
                _read_into(inner, tokens, is_inside=True)
                block.blocks.append(inner)
            case "=":
                value = next(tokens, "")
                if value in ("", "{", "}", ";", "=") or next(tokens, "") != ";":
                    raise ExportRuleInvalid(f"the setting {name} has no value, or no end")
                if name in block.values:
                    raise ExportRuleInvalid(f"the setting {name} stands there twice")
                block.values[name] = value.strip('"')
            case _:
                raise ExportRuleInvalid(f"{name} is neither a setting nor a block")
    if is_inside:
        raise ExportRuleInvalid(f"the block {block.name} has no end")
