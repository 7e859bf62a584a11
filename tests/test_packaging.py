"""What is declared, locked and imported agrees, and no lock names a registry."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.source import ROOT, sources

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
GROUPS = {
    name: [Requirement(text) for text in texts]
    for name, texts in PROJECT["dependency-groups"].items()
}
LOCKS = {
    "requirements.lock": RUNTIME,
    "requirements-dev.lock": RUNTIME + GROUPS["dev"],
    "requirements-node.lock": GROUPS["node"],
    "requirements-uv.lock": GROUPS["uv"],
    "requirements-audit.lock": GROUPS["audit"],
}
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def read_lock(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_has_what_is_declared(name: str) -> None:
    pins = {
        (canonicalize_name(package), version) for package, version in PIN.findall(read_lock(name))
    }
    for requirement in LOCKS[name]:
        versions = [v for package, v in pins if package == canonicalize_name(requirement.name)]
        assert versions, f"{requirement.name} is not in {name}: run scripts/lock"
        assert all(version in requirement.specifier for version in versions), requirement


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_a_hash_and_no_address(name: str) -> None:
    text = read_lock(name)
    assert "://" not in text
    assert "file:" not in text
    entries = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_development_lock_pins_what_the_runtime_lock_pins() -> None:
    runtime = PIN.findall(read_lock("requirements.lock"))
    development = PIN.findall(read_lock("requirements-dev.lock"))
    assert set(runtime) <= set(development)


def test_libp2p_is_pinned_and_its_fastecdsa_overridden() -> None:
    (libp2p,) = [requirement for requirement in RUNTIME if requirement.name == "libp2p"]
    assert str(libp2p.specifier) == "==0.8.1"
    override = (ROOT / "requirements.override.txt").read_text(encoding="utf-8")
    assert override.splitlines()[-1] == PROJECT["tool"]["uv"]["override-dependencies"][0]


def test_each_range_ends_at_the_next_major_version() -> None:
    for requirement in RUNTIME:
        operators = {specifier.operator for specifier in requirement.specifier}
        assert operators in ({">=", "<"}, {"=="}), requirement


def test_what_the_product_imports_is_declared() -> None:
    declared = {canonicalize_name(requirement.name) for requirement in RUNTIME}
    providers = packages_distributions()
    undeclared = {
        f"{source.path} imports {module}"
        for source in (*sources("photonic"), *sources("simulations"))
        for module in {one.module.partition(".")[0] for one in source.imports}
        if module not in ("photonic", "simulations") and module not in sys.stdlib_module_names
        if not {canonicalize_name(name) for name in providers.get(module, ())} & declared
    }
    assert not undeclared


def test_the_command_is_where_the_project_says() -> None:
    assert PROJECT["project"]["scripts"] == {"photonic": "photonic.cli.app:main"}
    assert "GNU GENERAL PUBLIC LICENSE" in (ROOT / "LICENSE").read_text(encoding="utf-8")
