"""Wall clocks of real daemons that are wrong, and jump while they run: `faketime`, which must be
there. What it changes is the whole process's clock, for libraries too; monotonic time goes on."""

from __future__ import annotations

from pathlib import Path

_LIBRARIES = ("*/faketime/libfaketimeMT.so.1", "faketime/libfaketimeMT.so.1")
_FOLDERS = (Path("/usr/lib"), Path("/usr/local/lib"))
_LOOKS_EACH_S = 1  # a process looks at the file again so often


def find_faketime() -> Path | None:
    """Return the library, if it is there."""
    found = (path for folder in _FOLDERS for like in _LIBRARIES for path in folder.glob(like))
    return next(found, None)


class WrongClock:
    """The wall clock of what is run with `prefix`: ahead by as much as was set last."""

    def __init__(self, library: Path, file: Path) -> None:
        self._file = file
        self.ahead_s = 0.0
        self.jump(0.0)
        self.prefix = (
            "env",
            f"LD_PRELOAD={library}",
            f"FAKETIME_TIMESTAMP_FILE={file}",
            f"FAKETIME_CACHE_DURATION={_LOOKS_EACH_S}",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
        )

    def jump(self, by_s: float) -> None:
        """Be ahead by so much more. Whoever runs sees it within a second."""
        self.ahead_s += by_s
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{self.ahead_s:+.3f}s\n")
        fresh.replace(self._file)
