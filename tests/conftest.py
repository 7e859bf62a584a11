"""What every test may rely on: which markers skip where, told in one clear word each."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import HealthCheck, settings

from tests.source import ROOT

# The machines that run this are shared and of many speeds: hypothesis judges results, not time.
settings.register_profile(
    "photonic", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("photonic")

PAGE = ROOT / "photonic/api/page/index.html"
# Where daemons of their own are started: not among hundreds of others; two of these at a time.
ALONE = (
    "tests/system/", "tests/benchmarks/", "tests/simulations/test_real.py",
    "tests/simulations/test_netns.py",
)  # fmt: skip
# What is promised of time while something else goes on: nothing runs beside these.
MEASURED = (
    "tests/system/test_kills.py", "tests/system/test_malicious_member.py",
    "tests/system/test_paces.py", "tests/system/test_strangers.py", "tests/system/test_modes.py",
)  # fmt: skip
PROGRAMS = {"rsync", "syncthing", "exiftool", "node"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs alone by where it stands."""
    for item in items:
        place = item.path.relative_to(ROOT).as_posix()
        if place.startswith(ALONE):
            item.add_marker("measured" if place in MEASURED else "alone")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine cannot run, and say what it lacks."""
    if item.get_closest_marker("chromium"):
        if shutil.which("chromium") is None:
            pytest.skip("chromium is missing (as root: apt install chromium)")
        if not PAGE.exists():
            pytest.skip("the page is not built (scripts/page)")
    for marker in item.iter_markers("root"):
        if os.geteuid() != 0:
            pytest.skip("needs root")
        missing = [program for program in marker.args if shutil.which(program) is None]
        if missing:
            pytest.skip(f"missing: {', '.join(missing)}")
    for marker in item.iter_markers("foreign"):
        for program in marker.args:
            assert program in PROGRAMS, f"{program} is not in the list of tests/conftest.py"
            if shutil.which(program) is None:
                pytest.skip(f"{program} is missing")


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the PHOTONIC_ variables of whoever runs the tests out of them."""
    for name in [name for name in os.environ if name.startswith("PHOTONIC_")]:
        monkeypatch.delenv(name)
