"""A daemon with a bug of `simulations/mutations.toml` in it: which one, `bug` in its home says."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from simulations import mutations
from simulations.planting import plant

if __name__ == "__main__":
    home = Path(sys.argv[sys.argv.index("--home") + 1])
    plant(mutations.load([(home / "bug").read_text()])[0])
    importlib.import_module("photonic.cli.app").main()  # only now, for this imports the product
