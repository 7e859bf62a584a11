"""`photonic`: the entry point. Reads the command line, calls one verb, tells what went wrong.

Every error ends here: a PhotonicError as two lines (or as JSON) and its own exit status, a
keyboard interrupt as status 130, anything else as one line, with the traceback in the log.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from photonic.cli import output
from photonic.cli.invocation import Invocation
from photonic.cli.loading import load_grammar, write_crash
from photonic.cli.release import show_version
from photonic.errors import PhotonicError
from photonic.home import CLI_LOG

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
PIPE_BROKEN = 141  # 128 + SIGPIPE


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line and exit with its status. Never returns."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a name must not end a listing
    invocation = Invocation(json="--json" in given)
    sys.exit(_run(given, invocation))


def _run(given: list[str], invocation: Invocation) -> int:
    try:
        if "version" in given and set(given) <= {"version", "--json"}:
            # Answered without Typer: at once, and even where what we depend on is broken.
            show_version(as_json=invocation.json)
            return 0
        status = load_grammar().run_command_line(given, invocation)
        sys.stdout.flush()
        return status
    except (PhotonicError, ExceptionGroup) as error:
        known = _known_cause(error)
        if known is None:
            return _show_crash(error, invocation)
        output.show_error(known, as_json=invocation.json)
        if invocation.debug:
            traceback.print_exc()
        return known.exit_status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt) is None:
            raise
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us (`| head`) has enough. The interpreter would complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_BROKEN
    except Exception as error:  # noqa: BLE001 - the last door: a user gets no traceback
        return _show_crash(error, invocation)


def _known_cause(error: BaseException) -> PhotonicError | None:
    """Return the first error of ours inside an exception group."""
    if isinstance(error, PhotonicError):
        return error
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return next(filter(None, map(_known_cause, inner)), None)


def _show_crash(error: Exception, invocation: Invocation) -> int:
    """Tell an error that nobody foresaw: one line, and where the rest of it is."""
    crash = PhotonicError(f"photonic failed: {type(error).__name__}: {error}")
    if invocation.debug:
        traceback.print_exc()
    log = _log_crash(invocation.main_home)
    crash.fix = f"The traceback is in {log}. {PhotonicError.fix}" if log else PhotonicError.fix
    output.show_error(crash, as_json=invocation.json)
    return crash.exit_status


def _log_crash(home: Path) -> Path | None:
    """Write the traceback to the log of the home folder, if that is there and takes it."""
    if not home.is_dir():
        return None
    try:
        write_crash(home / CLI_LOG)
    except OSError:
        return None
    return home / CLI_LOG
