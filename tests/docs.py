"""Writes the pages of docs/ that are made from the code: `python -m tests.docs`.

docs/errors.md, docs/settings.md and docs/cli.md say what the classes, the settings and the verbs
say. Tests hold page and code equal, so run this after a change to one of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from photonic import errors
from photonic.cli.loading import VERBS, load_verb
from photonic.config import PREFIX, Settings, flag_of
from photonic.errors import PhotonicError
from tests.source import ROOT

BANDS = {
    0: "General",
    10: "Values and settings",
    20: "Catalog",
    30: "Blobs",
    40: "Peers and enrolment",
    60: "Ingest",
    70: "Index, acts and albums",
    80: "Libraries",
    85: "HTTP",
    100: "Command line",
    108: "Keys at rest",
    112: "Command line, further ones",
    115: "Members and recovery",
    120: "Further ones",
    195: "Placement",
    205: "Eviction",
    215: "Export",
    225: "Simulator",
    226: "Restoring",
}
_MADE = "<!-- Made from the code by `python -m tests.docs`; a test holds them equal. -->\n"

# Defaults that depend on the machine, in words.
_MACHINE_DEFAULTS = {
    "home": "the user's data folder for photonic (`~/.local/share/photonic`)",
    "name": "the machine's host name",
    "workers": "one for each core, at most 4",
}


def all_errors() -> list[type[PhotonicError]]:
    """Return every error class of the product, by exit status."""
    kinds = [PhotonicError]
    for kind in kinds:  # grows while it is walked: subclasses of subclasses
        kinds += [sub for sub in kind.__subclasses__() if sub.__module__ == errors.__name__]
    return sorted(kinds, key=lambda kind: kind.exit_status)


def band_of(exit_status: int) -> int:
    """Return the first status of the band that `exit_status` is in."""
    return max(first for first in BANDS if first <= exit_status)


def errors_page() -> str:
    """Return docs/errors.md."""
    lines = [
        "# Errors",
        "",
        _MADE,
        "Every error that photonic tells has a stable code, and says what to do. On the command",
        "line it ends the process with its exit status; over HTTP it is a problem document",
        "(RFC 9457) with its status. With `--json` the command line tells it as",
        '`{"code", "message", "fix"}` on standard error. Interrupting a command ends it with 130.',
    ]
    band = None
    for kind in all_errors():
        if band_of(kind.exit_status) != band:
            band = band_of(kind.exit_status)
            lines += ["", f"## {BANDS[band]}", "", "| code | exit | HTTP | what it is | fix |"]
            lines.append("|---|---|---|---|---|")
        what = (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")
        cells = (f"`{kind.code}`", kind.exit_status, kind.http_status, what, kind.fix)
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """Return docs/settings.md."""
    lines = [
        "# Settings",
        "",
        _MADE,
        "Settings come from three places; the later wins: the file `photonic.yaml` in the home",
        "folder, the environment, and the flags of `photonic node`. An unknown key or a bad value",
        "in any of them is an error, and all of them are told at once, each with its place.",
        "",
        "A list is written `[a, b]` in the file, `a,b` in the environment, and by repeating the",
        "flag. A relative path counts from the home folder in the file, and from where one stands",
        "elsewhere.",
        "",
        "```yaml",
        "role: central",
        "name: studio",
        "http: 127.0.0.1:8640",
        "listen: [/ip4/0.0.0.0/tcp/4310]",
        "watch: [~/Pictures/incoming]",
        "```",
        "",
        "A section `libraries` in the file has settings of further libraries:",
        "[operations.md](operations.md#several-libraries).",
        "",
        "| setting | environment | flag | default | what it is |",
        "|---|---|---|---|---|",
    ]
    for key, field in Settings.model_fields.items():
        cells = (
            f"`{key}`",
            f"`{PREFIX}{key.upper()}`",
            f"`{flag_of(key)}`",
            _default(key),
            field.description or "",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _default(key: str) -> str:
    if key in _MACHINE_DEFAULTS:
        return _MACHINE_DEFAULTS[key]
    default = Settings.model_fields[key].default
    match default:
        case None | ():
            return "none"
        case bool():
            return f"`{str(default).lower()}`"
        case tuple():
            return ", ".join(f"`{part}`" for part in default)
    return f"`{default}`"


def cli_page() -> str:
    """Return docs/cli.md."""
    lines = [
        "# Command line",
        "",
        _MADE,
        "`photonic [--home DIR] [--json] VERB`. The home folder is `--home`, else",
        "`PHOTONIC_HOME`, else the user's data folder. Answers go to standard output, errors and",
        "progress to standard error. With `--json`, before or after the verb, the answer is one",
        "line of JSON, and so is an error. `--debug` shows the traceback of a crash.",
        "With `--node https://HOST:PORT --token-file FILE --fingerprint SHA256`, or with",
        "`PHOTONIC_NODE`, `PHOTONIC_TOKEN_FILE` and `PHOTONIC_FINGERPRINT`, a verb asks the node",
        "of another machine; one that works on this machine's home or folders refuses to.",
        "[errors.md](errors.md) lists the exit statuses, [settings.md](settings.md) the settings.",
        "",
        "`init`, `join` and `import` work with and without a running node; `invite`, `ls`,",
        "`status` and `peers` ask the running one.",
    ]
    for verb in VERBS:
        function = load_verb(verb)
        options = list(_options(verb))
        arguments = " ".join(name for name, _ in options if not name.startswith("`-"))
        title = f"photonic {verb} {arguments}".strip().replace("`", "")
        lines += ["", f"## `{title}`", "", inspect.getdoc(function) or ""]
        if options:
            lines += ["", "| option | what it does |", "|---|---|"]
            lines += [f"| {name} | {text} |" for name, text in options]
    return "\n".join(lines) + "\n"


def _options(verb: str) -> Iterator[tuple[str, str]]:
    """Yield name and help of each argument and option of a verb."""
    app = typer.Typer(add_completion=False)
    app.command()(load_verb(verb))
    for parameter in typer.main.get_command(app).params:
        told: Any = parameter
        if told.param_type_name == "argument":
            word = (told.name or "").upper()
            yield (f"`{word}`" if told.required else f"`[{word}]`"), told.help or ""
        elif told.opts != ["--help"]:
            names = "/".join(told.opts + told.secondary_opts)
            value = "" if told.is_flag else f" {told.metavar or told.opts[0].strip('-').upper()}"
            yield f"`{names}{value}`", told.help or ""


PAGES = {"errors.md": errors_page, "settings.md": settings_page, "cli.md": cli_page}

if __name__ == "__main__":
    (ROOT / "docs").mkdir(exist_ok=True)
    for file_name, page in PAGES.items():
        (ROOT / "docs" / file_name).write_text(page(), encoding="utf-8")
