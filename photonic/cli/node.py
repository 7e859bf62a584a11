"""`photonic node`: the daemon, in the foreground, until SIGTERM or SIGINT.

The first signal begins a clean stop. What does not end by itself is cancelled, and a process that
hangs is ended hard, so that a stop takes less than five seconds; nothing is lost by that, for
whatever a node told anyone is on disk (invariant I3). A second SIGINT ends the process at once.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import anyio
import trio
import typer
from anyio.abc import TaskStatus

from photonic import limits
from photonic.cli import output
from photonic.cli.invocation import make_home
from photonic.cli.loading import load_node, load_settings, set_up_logs
from photonic.cli.options import invocation_of
from photonic.errors import PhotonicError, UsageInvalid
from photonic.home import NODE_LOG
from photonic.lodging import FIRST

if TYPE_CHECKING:
    from photonic.views import StatusView

_Http = Annotated[
    str | None,
    typer.Option("--http", metavar="127.0.0.1:PORT", help="Where page and REST are served."),
]
_Listen = Annotated[
    list[str] | None,
    typer.Option("--listen", metavar="MULTIADDR", help="Where others reach it; repeatable."),
]
_LanePort = Annotated[
    int | None, typer.Option("--lane-port", metavar="PORT", help="Where others fetch files.")
]
_ScrubMbS = Annotated[
    int | None, typer.Option("--scrub-mb-s", help="Megabytes a second that this may read.")
]
_LimitIn = Annotated[
    str | None, typer.Option("--limit-in", metavar="RATE", help="What transfers may bring in.")
]
_LimitOut = Annotated[
    str | None, typer.Option("--limit-out", metavar="RATE", help="What transfers may send.")
]
_LimitSchedule = Annotated[
    str | None,
    typer.Option("--limit-schedule", metavar="TEXT", help="Their rate by the time of day."),
]
_LimitParallel = Annotated[
    int | None, typer.Option("--limit-parallel", help="Files fetched at one time.")
]

_Https = Annotated[
    str | None,
    typer.Option("--https", metavar="HOST:PORT", help="Where they are, to who has a token."),
]
_HttpsNames = Annotated[
    list[str] | None,
    typer.Option("--https-names", metavar="NAME", help="A name of this machine; repeatable."),
]
_HttpsCertificate = Annotated[
    str | None, typer.Option("--https-certificate", metavar="FILE", help="With its chain, PEM.")
]
_HttpsKey = Annotated[
    str | None, typer.Option("--https-key", metavar="FILE", help="Its private key, PEM.")
]
_HttpLocalToken = Annotated[
    bool, typer.Option("--http-local-token", help="Demand a token on this machine, too.")
]
_MinCopies = Annotated[
    int | None, typer.Option("--min-copies", help="Nodes that a photo is safe on.")
]
_ScrubDays = Annotated[
    int | None, typer.Option("--scrub-days", help="Verify stored files again within so many days.")
]
_QuotaBytes = Annotated[
    int | None, typer.Option("--quota-bytes", help="Bytes of files that it may keep here.")
]
_ReserveBytes = Annotated[
    int | None, typer.Option("--reserve-bytes", help="Bytes of the disk that evictions keep free.")
]
_BufferHigh = Annotated[
    int | None, typer.Option("--buffer-high", help="Percent at which the oldest originals go.")
]
_BufferLow = Annotated[int | None, typer.Option("--buffer-low", help="Percent down to which.")]
_LogLevel = Annotated[
    str | None, typer.Option("--log-level", help="debug, info, warning or error.")
]
_LogFormat = Annotated[
    str | None, typer.Option("--log-format", help="console or json, on standard error.")
]
_Workers = Annotated[int | None, typer.Option("--workers", help="Processes that read photos.")]
_Peers = Annotated[
    list[str] | None,
    typer.Option("--peer", metavar="MULTIADDR", help="A node to dial; repeatable."),
]
_Watch = Annotated[
    list[str] | None,
    typer.Option("--watch", metavar="DIR", help="Folder to take photos from; repeatable."),
]
_Relay = Annotated[
    str | None,
    typer.Option("--relay", help="on, off or auto: bring others together through this node."),
]

_NoUpnp = Annotated[
    bool, typer.Option("--no-upnp", help="Do not have the router let other nodes in.")
]

_TrashDays = Annotated[
    int | None, typer.Option("--trash-days", help="How long bytes stay that are in the trash.")
]
_PassphraseCommand = Annotated[
    str | None,
    typer.Option("--passphrase-command", help="Prints the passphrase of this node's keys."),
]
_PassphraseFd = Annotated[
    int | None, typer.Option("--passphrase-fd", help="Descriptor to read that passphrase from.")
]

_Tree = Annotated[
    str | None, typer.Option("--tree", metavar="DIR", help="Folder to show every photo in.")
]
_TreeTemplate = Annotated[
    str | None, typer.Option("--tree-template", help="Where a photo lies in it.")
]
_Nfs = Annotated[
    str | None, typer.Option("--nfs", help="ganesha or kernel: export that folder over NFS.")
]
_NfsListen = Annotated[
    str | None, typer.Option("--nfs-listen", metavar="HOST:PORT", help="Where Ganesha serves.")
]
_NfsRules = Annotated[
    list[str] | None,
    typer.Option("--nfs-rules", metavar="RULE", help="Who may mount it; repeatable."),
]
_NfsUser = Annotated[str | None, typer.Option("--nfs-user", help="As whom clients write.")]

_Name = Annotated[
    str | None, typer.Option("--name", help="What this node is called on the others.")
]
_LibraryName = Annotated[
    str | None, typer.Option("--library-name", help="Name of the library of a first start.")
]
_Join = Annotated[
    str | None, typer.Option("--join", metavar="CODE", help="Join a library at first start.")
]
_NoDiscovery = Annotated[
    bool, typer.Option("--no-discovery", help="Do not look for nodes on the local network.")
]

_COLLECT_AFTER = 20_000  # new containers
STOPPED_HARD = 1


def run(
    context: typer.Context,
    role: Annotated[str | None, typer.Option("--role", help="mobile, central or archive.")] = None,
    name: _Name = None,
    library_name: _LibraryName = None,
    http: _Http = None,
    https: _Https = None,
    https_names: _HttpsNames = None,
    https_certificate: _HttpsCertificate = None,
    https_key: _HttpsKey = None,
    http_local_token: _HttpLocalToken = False,
    listen: _Listen = None,
    lane_port: _LanePort = None,
    peers: _Peers = None,
    watch: _Watch = None,
    join: _Join = None,
    no_discovery: _NoDiscovery = False,
    relay: _Relay = None,
    no_upnp: _NoUpnp = False,
    workers: _Workers = None,
    min_copies: _MinCopies = None,
    scrub_days: _ScrubDays = None,
    scrub_mb_s: _ScrubMbS = None,
    quota_bytes: _QuotaBytes = None,
    reserve_bytes: _ReserveBytes = None,
    buffer_high: _BufferHigh = None,
    buffer_low: _BufferLow = None,
    limit_in: _LimitIn = None,
    limit_out: _LimitOut = None,
    limit_schedule: _LimitSchedule = None,
    limit_parallel: _LimitParallel = None,
    trash_days: _TrashDays = None,
    tree: _Tree = None,
    tree_template: _TreeTemplate = None,
    nfs: _Nfs = None,
    nfs_listen: _NfsListen = None,
    nfs_rules: _NfsRules = None,
    nfs_user: _NfsUser = None,
    passphrase_command: _PassphraseCommand = None,
    passphrase_fd: _PassphraseFd = None,
    log_level: _LogLevel = None,
    log_format: _LogFormat = None,
) -> None:
    """Run this machine's node until it is told to stop."""
    invocation = invocation_of(context)
    if invocation.library != FIRST:
        raise UsageInvalid("a node serves all of its libraries, each as its section says")
    flags = {
        "home": invocation.home, "role": role, "name": name, "library_name": library_name,
        "http": http, "https": https, "https_names": https_names, "https_key": https_key,
        "https_certificate": https_certificate, "listen": listen, "lane_port": lane_port,
        "http_local_token": True if http_local_token else None, "peers": peers,
        "watch": watch, "join": join,
        "discovery": False if no_discovery else None, "relay": relay, "workers": workers,
        "upnp": False if no_upnp else None, "scrub_mb_s": scrub_mb_s,
        "min_copies": min_copies, "trash_days": trash_days, "scrub_days": scrub_days,
        "quota_bytes": quota_bytes, "reserve_bytes": reserve_bytes,
        "buffer_high": buffer_high, "buffer_low": buffer_low,
        "limit_in": limit_in, "limit_out": limit_out, "limit_schedule": limit_schedule,
        "limit_parallel": limit_parallel, "log_level": log_level, "log_format": log_format,
        "tree": tree, "tree_template": tree_template, "nfs": nfs, "nfs_listen": nfs_listen,
        "nfs_rules": nfs_rules, "nfs_user": nfs_user,
        "passphrase_command": passphrase_command, "passphrase_fd": passphrase_fd,
    }  # fmt: skip
    settings = load_settings(flags)
    make_home(settings.home)
    node = load_node()
    set_up_logs(settings, settings.home / NODE_LOG)
    run_node = partial(node.run_node, settings, settings_of=partial(load_settings, flags))
    anyio.run(_serve, run_node, invocation.json, backend="trio")


def _calm_collector() -> None:
    """Let the garbage collector look through what comes and goes, not through the whole program.

    All threads wait for it: it took 130 ms for what is here after a start, again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)


async def _serve(run_node: Callable[..., Awaitable[None]], as_json: bool) -> None:
    stop = trio.Event()

    def tell_ready(status: StatusView) -> None:
        _calm_collector()
        if as_json:
            output.print_json(dataclasses.asdict(status))
            return
        output.print_line(f"photonic is ready: {status.http}")
        if status.https:
            output.print_line(f"  with a token: {status.https} (SHA-256 {status.fingerprint})")
        for address in status.listen:
            output.print_line(f"  listens on {address}")

    failure: PhotonicError | None = None
    async with anyio.create_task_group() as tasks:
        await tasks.start(_stop_on_signal, stop, tasks.cancel_scope)
        try:
            await run_node(ready=tell_ready, stop=stop)
        except PhotonicError as error:
            failure = error  # taken out of the task group, which would wrap it
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _stop_on_signal(
    stop: trio.Event, everything: anyio.CancelScope, *, task_status: TaskStatus[None]
) -> None:
    """Wait for a signal, begin the stop, and see that it ends in time."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            break
        # From here the operating system ends us at Ctrl-C, even if the event loop hangs.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        last_resort = threading.Timer(limits.STOP_HARD_S, _end_process)
        last_resort.daemon = True  # a process that ends in time does not wait for it
        last_resort.start()
        stop.set()
        await anyio.sleep(limits.STOP_S)
        everything.cancel()


def _end_process() -> None:
    """End a process that did not stop; what it told anyone is on disk already."""
    os.write(2, b"photonic did not stop in time and was ended; nothing is lost\n")
    os._exit(STOPPED_HARD)
