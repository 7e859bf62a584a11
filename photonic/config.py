"""What a user may set: read once, at the rim, into one frozen value.

Three layers, the later wins: HOME/photonic.yaml, the environment (PHOTONIC_...), flags. Every
layer is judged as a whole, also the values that a later one covers, and all problems are told at
once, each with the place it came from (ConfigInvalid). An unknown key is a problem in the file and
among the PHOTONIC_ variables alike: a misspelt setting that is silently ignored loses photos.

A sample photonic.yaml:

    role: central
    name: studio
    http: 127.0.0.1:8640
    listen: [/ip4/0.0.0.0/tcp/4310]
    watch: [~/Pictures/incoming]
"""

from __future__ import annotations

import difflib
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
)

from photonic import limits
from photonic.addresses import (
    check_host_name,
    check_listen_address,
    check_peer_address,
    parse_http_address,
)
from photonic.errors import ConfigInvalid, ExportRuleInvalid, LimitsInvalid
from photonic.home import CLI_VARIABLES, HOME_VARIABLE, SETTINGS_FILE, resolve_home
from photonic.nfs.rules import parse_rules
from photonic.p2p.rates import Bandwidth, parse_rate, parse_schedule
from photonic.tree.paths import TEMPLATE, check_template

PREFIX = "PHOTONIC_"
SECTIONS = "libraries"  # the one key of the file that is no setting

Role = Literal["mobile", "central", "archive"]
Switch = Literal["on", "off", "auto"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["console", "json"]


def _split(value: object) -> object:
    """Let a list be written as one text with commas, as the environment needs it."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _check_http(value: str) -> str:
    parse_http_address(value)
    return value


def _check_https(value: str) -> str:
    parse_http_address(value, is_exposed=True)
    return value


def _check_name(value: str) -> str:
    if not value.strip() or any(not character.isprintable() for character in value):
        raise ValueError("a name has at least one visible character and no control characters")
    return value.strip()


def _spell_switch(value: object) -> object:
    """YAML takes on and off for booleans."""
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


def _check_rate(value: str) -> str:
    return _readable(parse_rate, value)


def _check_schedule(value: str) -> str:
    return _readable(parse_schedule, value)


def _check_nfs(value: str) -> str:
    parse_http_address(value, is_exposed=True)
    return value


def _check_rules(values: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(rule.text for rule in parse_rules(values))
    except ExportRuleInvalid as error:
        raise ValueError(error.message) from None


def _readable(parse: Callable[[str], object], value: str) -> str:
    """Return `value` if it can be parsed. Raises ValueError, in one line."""
    try:
        parse(value)
    except LimitsInvalid as error:
        raise ValueError(error.message.partition("\n")[0]) from None
    return value.strip()


def _locate(value: Path, info: ValidationInfo) -> Path:
    """Make a path absolute: in the file it counts from HOME, elsewhere from where one stands."""
    base = (info.context or {}).get("base", Path.cwd())
    return Path(os.path.normpath(base / value.expanduser()))


def _default_name() -> str:
    return platform.node() or "photonic"


def _default_workers() -> int:
    return max(1, min(os.cpu_count() or 1, limits.WORKERS_DEFAULT_MAX))


Name = Annotated[
    str, Field(min_length=1, max_length=limits.NODE_NAME_CHARS_MAX), AfterValidator(_check_name)
]
Folder = Annotated[Path, AfterValidator(_locate)]
Rate = Annotated[str, AfterValidator(_check_rate)]
ScheduleText = Annotated[str, AfterValidator(_check_schedule)]
HostName = Annotated[str, AfterValidator(check_host_name)]
ListenAddress = Annotated[str, AfterValidator(check_listen_address)]
PeerAddress = Annotated[str, AfterValidator(check_peer_address)]


class Settings(BaseModel):
    """Everything that a user may set. Made by `load_settings`; never changes afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    home: Folder = Field(
        default_factory=lambda: resolve_home(None, os.environ),
        description="Folder that holds keys, catalog and photos. Not settable in the file.",
    )
    role: Role | None = Field(
        default=None,
        description="mobile, central or archive. Unset: the role that the node was admitted "
        "with; central for the first node of a new library.",
    )
    name: Name = Field(
        default_factory=_default_name, description="What this node is called on other nodes."
    )
    library_name: Name = Field(
        default="Photos", description="What a library is called that the first start makes."
    )
    http: Annotated[str, AfterValidator(_check_http)] = Field(
        default="127.0.0.1:8640",
        description="Where page and REST are served: a loopback address and a port, 0 for any "
        "free one.",
    )
    http_local_token: bool = Field(
        default=False, description="Demand a token of programs on this machine, too."
    )
    https: Annotated[str, AfterValidator(_check_https)] | None = Field(
        default=None,
        description="Where page and REST are served to other machines as well: an address of this "
        "one, or 0.0.0.0 for all of them, and a port. Always over TLS, and to nobody without a "
        "token (`photonic token create`). Unset: nowhere.",
    )
    https_names: Annotated[tuple[HostName, ...], BeforeValidator(_split)] = Field(
        default=(),
        max_length=limits.HTTPS_NAMES_MAX,
        description="Names under which other machines address this one; others are refused.",
    )
    https_certificate: Folder | None = Field(
        default=None,
        description="Certificate for `https`, with its chain, PEM. Unset: the node makes its own, "
        "whose fingerprint `photonic status` tells.",
    )
    https_key: Folder | None = Field(default=None, description="Its private key, PEM.")
    listen: Annotated[tuple[ListenAddress, ...], BeforeValidator(_split)] = Field(
        default=("/ip4/0.0.0.0/tcp/4310",),
        max_length=limits.ADDRESSES_PER_PEER_MAX,
        description="Multiaddresses where other nodes reach this one, port 0 for any free one. "
        "Empty: nobody can; this node still dials out.",
    )
    lane_port: int | None = Field(
        default=None,
        ge=0,
        le=65_535,
        description="TCP port where other nodes fetch files, on the hosts of `listen`; 0 for any "
        "free one. Unset: the port behind that of the first `listen`, so 4311.",
    )
    peers: Annotated[tuple[PeerAddress, ...], BeforeValidator(_split)] = Field(
        default=(),
        max_length=limits.PEERS_MAX,
        description="Multiaddresses of nodes to dial, each with /p2p/PEER-ID.",
    )
    discovery: bool = Field(
        default=True, description="Find nodes of the library on the local network by themselves."
    )
    relay: Annotated[Switch, BeforeValidator(_spell_switch)] = Field(
        default="auto",
        description="Bring members together that cannot reach each other, through this node: on, "
        "off, or auto: if its role is central or archive. It sees who speaks with whom and how "
        "much, and nothing else. `limit_in` and `limit_out` hold for that, too; never on a metered "
        "link.",
    )
    upnp: bool = Field(
        default=True,
        description="Have the router let other nodes in, if it does that for programs (UPnP).",
    )
    join: str | None = Field(
        default=None,
        repr=False,  # a code is a secret until it is used
        min_length=1,
        max_length=limits.CODE_CHARS_MAX,
        description="Invitation code to join a library with, at the first start.",
    )
    watch: Annotated[tuple[Folder, ...], BeforeValidator(_split)] = Field(
        default=(),
        max_length=limits.WATCHED_FOLDERS_MAX,
        description="Folders whose photos are taken in as they appear.",
    )
    workers: int = Field(
        default_factory=_default_workers,
        ge=1,
        le=limits.WORKERS_MAX,
        description="Processes that read metadata and make previews.",
    )
    trash_days: int = Field(
        default=limits.TRASH_DAYS_DEFAULT,
        ge=1,
        le=limits.TRASH_DAYS_MAX,
        description="How long this node keeps the bytes of what is in the trash.",
    )
    min_copies: int = Field(
        default=limits.MIN_COPIES_DEFAULT,
        ge=1,
        le=limits.MIN_COPIES_MAX,
        description="A photo counts as safe when its original is on so many nodes.",
    )
    quota_bytes: int | None = Field(
        default=None,
        ge=limits.QUOTA_BYTES_MIN,
        description="How many bytes of originals, previews and sidecars this library may keep "
        "here, those on their way among them. Unset: as many as the disk has room for.",
    )
    reserve_bytes: int = Field(
        default=limits.DISK_RESERVE_BYTES,
        ge=limits.DISK_RESERVE_BYTES,
        description="How much of the disk evictions keep free, beside what `quota_bytes` bounds.",
    )
    buffer_high: int = Field(
        default=limits.BUFFER_HIGH_PERCENT,
        ge=50,
        le=99,
        description="Percent of `quota_bytes`, or of the disk: at this mark a mobile node lets the "
        "oldest originals go that enough others prove to hold.",
    )
    buffer_low: int = Field(
        default=limits.BUFFER_LOW_PERCENT,
        ge=1,
        le=95,
        description="Percent down to which it does. Below `buffer_high`.",
    )
    scrub_days: int = Field(
        default=limits.SCRUB_DAYS_DEFAULT,
        ge=0,
        le=limits.SCRUB_DAYS_MAX,
        description="Every stored file is read and verified again within so many days; 0: only "
        "when `photonic verify` asks for it.",
    )
    scrub_mb_s: int = Field(
        default=limits.SCRUB_MB_S_DEFAULT,
        ge=1,
        le=limits.SCRUB_MB_S_MAX,
        description="Megabytes a second that this may read; an eighth of it while somebody "
        "transfers or edits.",
    )
    limit_in: Rate = Field(
        default="full",
        description="What transfers may bring in, over all nodes: `2MB/s`, `16Mbit/s`, or full. "
        "Once `photonic limits` changes this or one of the next three at run time, none of them "
        "holds until `photonic limits --reset`.",
    )
    limit_out: Rate = Field(default="full", description="What transfers may send.")
    limit_schedule: ScheduleText = Field(
        default="",
        description="Their rate by the time of day: `08:00-22:00 2MB/s, otherwise full`.",
    )
    limit_parallel: int | None = Field(
        default=None,
        ge=1,
        le=limits.PARALLEL_MAX,
        description="How many files are fetched at one time, at most.",
    )
    tree: Folder | None = Field(
        default=None,
        description="Folder in which every photo that is here appears under its name, as a link: "
        "on the file system of the home folder, and nothing else is in it. Unset: none.",
    )
    tree_template: Annotated[str, AfterValidator(check_template)] = Field(
        default=TEMPLATE,
        max_length=limits.PATH_CHARS_MAX,
        description="Where a photo lies in it, decided once for all nodes when one first shows it: "
        "`{year}`, `{month}`, `{day}`, `{date}`, `{shoot}`, `{folder}`, `{camera}`, `{kind}`, and "
        "`{name}` at the end.",
    )
    nfs: Annotated[Literal["off", "ganesha", "kernel"], BeforeValidator(_spell_switch)] = Field(
        default="off",
        description="Export the tree to other machines by NFS-Ganesha, which this node runs, or "
        "by the server of the kernel; or off.",
    )
    nfs_listen: Annotated[str, AfterValidator(_check_nfs)] = Field(
        default="127.0.0.1:2049",
        description="Where Ganesha serves: an address of this machine, or 0.0.0.0, and a port.",
    )
    nfs_rules: Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_check_rules)] = (
        Field(
            default=(),
            max_length=limits.EXPORT_RULES_MAX,
            description="Who may mount the tree: `192.168.1.0/24 rw` (read, and write sidecars), "
            "`10.0.0.7 ro`, `10.0.0.0/8 ro on archive` (while that is the role). Once `photonic "
            "nfs` changes them at run time, these hold again after `photonic nfs --reset`.",
        )
    )
    nfs_user: Annotated[str, AfterValidator(_check_name)] = Field(
        default="nobody",
        description="User of this machine as whom clients write, and Ganesha runs: one that is "
        "used for nothing else.",
    )
    passphrase_command: str | None = Field(
        default=None,
        min_length=1,
        max_length=limits.PATH_CHARS_MAX,
        description="Command that prints the passphrase of this node's keys, run without a shell: "
        "`pass show photonic`. The system's keyring needs none.",
    )
    passphrase_fd: int | None = Field(
        default=None,
        ge=0,
        le=65_535,
        description="File descriptor from which that passphrase is read, to its end.",
    )
    log_level: LogLevel = Field(
        default="info", description="debug, info, warning or error: the least that is logged."
    )
    log_format: LogFormat = Field(
        default="console", description="console or json: how the log reads on standard error."
    )

    @property
    def bandwidth(self) -> Bandwidth:
        """The limits of transfers that hold until somebody changes them at run time."""
        return Bandwidth(
            in_bytes_s=parse_rate(self.limit_in),
            out_bytes_s=parse_rate(self.limit_out),
            schedule=self.limit_schedule,
            parallel=self.limit_parallel,
        )

    @property
    def https_place(self) -> tuple[str, int] | None:
        """Where HTTPS is served, if it is."""
        return parse_http_address(self.https, is_exposed=True) if self.https else None

    @property
    def http_host(self) -> str:
        return parse_http_address(self.http)[0]

    @property
    def http_port(self) -> int:
        return parse_http_address(self.http)[1]


@dataclass(frozen=True, slots=True)
class Layer:
    """The values of one source, and how to call the place that one of them came from."""

    values: Mapping[str, Any]
    origin: str  # with {key} or {KEY} or {flag}
    base: Path  # what a relative path counts from

    def place(self, key: str) -> str:
        return self.origin.format(key=key, KEY=key.upper(), flag=flag_of(key))


# Flags that are not spelt as their settings are.
_FLAGS = {"peers": "--peer", "discovery": "--no-discovery", "upnp": "--no-upnp"}


def flag_of(key: str) -> str:
    """Return the flag of `photonic node` that sets `key`."""
    return _FLAGS.get(key, "--" + key.replace("_", "-"))


def load_settings(flags: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
    """Read the file, the environment and `flags` (None or an empty list: not given).

    Raises ConfigInvalid with every problem of every layer.
    """
    environ = os.environ if environ is None else environ
    given = {key: value for key, value in flags.items() if value not in (None, (), [])}
    home = resolve_home(given.get("home"), environ)
    problems: list[str] = []
    layers = (
        _file_layer(home, problems),
        _environment_layer(environ),
        Layer(given, "flag {flag}", Path.cwd()),
    )
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= judge(layer, problems)
    if problems:
        raise ConfigInvalid(problems)
    return Settings.model_validate(merged | {"home": home})


def judge(layer: Layer, problems: list[str]) -> dict[str, Any]:
    """Return the values of `layer`, parsed; add what is wrong with them to `problems`."""
    try:
        parsed = Settings.model_validate(dict(layer.values), context={"base": layer.base})
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            key = str(detail["loc"][0])
            inside = "".join(f"[{part}]" for part in detail["loc"][1:] if isinstance(part, int))
            reason = _reason(key, detail["type"], detail["msg"])
            problems.append(f"{key}{inside}: {reason} ({layer.place(key)})")
        return {}
    return {key: getattr(parsed, key) for key in parsed.model_fields_set if key in layer.values}


def _reason(key: str, kind: str, message: str) -> str:
    if kind != "extra_forbidden":
        return message.removeprefix("Value error, ")
    near = difflib.get_close_matches(key, Settings.model_fields, n=1)
    return f"there is no such setting; did you mean {near[0]}?" if near else "no such setting"


def _environment_layer(environ: Mapping[str, str]) -> Layer:
    values = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX) and name not in CLI_VARIABLES and value != ""
    }
    return Layer(values, f"environment {PREFIX}{{KEY}}", Path.cwd())


def _file_layer(home: Path, problems: list[str]) -> Layer:
    path = home / SETTINGS_FILE
    values: dict[str, Any] = {}
    try:
        values = parse_file(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, yaml.YAMLError) as error:
        problems.append(f"{path}: {' '.join(str(error).split())}")
    values.pop(SECTIONS, None)  # further libraries: sections.py judges what is said of each
    if "home" in values:
        del values["home"]
        problems.append(f"home: the file lies in it; use --home or {HOME_VARIABLE} ({path})")
    return Layer(values, str(path).replace("{", "{{").replace("}", "}}"), home)


def parse_file(text: str) -> dict[str, Any]:
    """Return the settings in `text`. Raises ValueError, yaml.YAMLError."""
    content = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - derives from SafeLoader
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError("expected lines of the form `setting: value`")
    return {str(key): value for key, value in content.items() if value is not None}


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error, not the later of the two."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key in seen:
                line = key_node.start_mark.line + 1
                raise ValueError(f"line {line}: {key} stands there a second time")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)
