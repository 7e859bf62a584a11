"""How the log reads: structlog over the standard library's logging, to two places.

Standard error gets what a person or a journal reads (`log_format`), HOME/node.log gets JSON lines,
bounded in size. Modules log through `structlog.get_logger` or `logging.getLogger` alike. Values
under names that stand for secrets are left out. A log that cannot be written never stops a node.
"""

from __future__ import annotations

import io
import logging
import logging.handlers
import sys
from pathlib import Path
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from photonic import limits
from photonic.names import visible

SECRET_NAMES = frozenset({"code", "join", "token", "seed", "key", "password", "authorization"})

# Libraries that tell more than a photographer needs; what goes wrong in them still shows.
_QUIET = {
    "hypercorn": logging.WARNING,
    "libp2p": logging.CRITICAL,  # logs each refused dial as an error; our transport tells
    "multiaddr": logging.WARNING,
    "PIL": logging.WARNING,
    "watchfiles": logging.WARNING,
    "zeroconf": logging.WARNING,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
}


def set_up_logs(
    *,
    level: str,
    style: Literal["console", "json"],
    file: Path | None,
    stream: TextIO | None = None,
) -> None:
    """Send the log of this process to `stream` (standard error) and to `file`, if one is given.

    May be repeated: the last call counts. Call it after the libraries are imported, for some of
    them set their loggers up for themselves. A file that cannot be opened is told in the log.
    """
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level.upper())
    for name, least in _QUIET.items():
        library = logging.getLogger(name)
        library.setLevel(max(least, root.level))
        library.propagate = True  # libp2p turns it off when it is imported
    target = sys.stderr if stream is None else stream
    root.addHandler(_with_renderer(logging.StreamHandler(target), _renderer(style, target)))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    logging.captureWarnings(True)
    if file is not None:
        _add_file(root, file)


def write_crash(file: Path) -> None:
    """Append the exception that is being handled to `file`, as one JSON line. Raises OSError."""
    handler = _with_renderer(_file_handler(file), structlog.processors.JSONRenderer())
    try:
        record = logging.LogRecord(
            "photonic.cli", logging.ERROR, __file__, 0, "crash", None, sys.exc_info()
        )
        handler.emit(record)
    finally:
        handler.close()


def drop_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the values under secret names; an invitation code in a log is an open door."""
    for name in SECRET_NAMES & event.keys():
        event[name] = "(secret)"
    return event


def make_visible(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Take out of all texts what a terminal would obey: a photo's name must not move its cursor."""
    return {name: _visible(value) for name, value in event.items()}


def _visible(value: object) -> object:
    """Return a value as one line of a log may show it: a name does not write a second one."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict | list | tuple | set | frozenset | bytes | Path):
        return visible(str(value))
    return value


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.UnicodeDecoder(),
        drop_secrets,
    ]


def _renderer(style: Literal["console", "json"], stream: TextIO) -> Processor:
    if style == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=_visible_traceback
    )


def _visible_traceback(stream: TextIO, exc_info: ExcInfo) -> None:
    """Write a traceback; an error's words may be a name that somebody chose."""
    text = io.StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    stream.write("\n".join(map(visible, text.getvalue().split("\n"))))


def _with_renderer(handler: logging.Handler, renderer: Processor) -> logging.Handler:
    """Make `handler` write records of structlog and of plain logging alike."""
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if isinstance(renderer, structlog.processors.JSONRenderer):
        last.append(structlog.processors.format_exc_info)
    else:  # JSON escapes what is no plain character
        last.append(make_visible)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *_shared_processors()],
            processors=[*last, renderer],
        )
    )
    return handler


def _file_handler(file: Path) -> logging.Handler:
    return logging.handlers.RotatingFileHandler(
        file,
        maxBytes=limits.LOG_BYTES_MAX,
        backupCount=limits.LOG_FILES_KEPT,
        encoding="utf-8",
        errors="backslashreplace",
    )


def _add_file(root: logging.Logger, file: Path) -> None:
    try:
        handler = _file_handler(file)
    except OSError as error:
        structlog.get_logger("photonic.logs").warning("no log file", reason=str(error))
        return
    root.addHandler(_with_renderer(handler, structlog.processors.JSONRenderer()))
