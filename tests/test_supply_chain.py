"""What the product is made of: nothing runs foreign text, all is pinned, licences fit.

`tox -e audit` asks whether holes are known; what needs no network is here.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from email.message import Message
from importlib.metadata import Distribution, distributions
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from tests.source import ROOT, Source, sources
from tests.test_packaging import LOCKS, PIN, RUNTIME, read_lock

PRODUCT = sources("photonic")
# What makes code of data, or a shell of a string, or a name that somebody else can take first.
BANNED_MODULES = {"pickle", "cPickle", "dill", "shelve", "marshal", "jsonpickle", "xmlrpc", "pty"}
BANNED_CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.spawnl", "os.spawnv",
    "subprocess.getoutput", "subprocess.getstatusoutput", "tempfile.mktemp", "numpy.load",
    "yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "xml.etree.ElementTree.parse",
    "xml.etree.ElementTree.fromstring", "xml.dom.minidom.parseString",
    "ssl._create_unverified_context",
    "urllib.request.urlopen", "urllib.request.urlretrieve",
}  # fmt: skip
# yaml.load with a loader of our own, which derives from SafeLoader and refuses duplicates.
SAFE_YAML = "photonic/config.py"


def builtin_calls(source: Source) -> Iterator[tuple[str, int]]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id, node.lineno


def violations(source: Source) -> Iterator[str]:
    """Yield what a file does that the product must not do."""
    for one in source.imports:
        if one.module.partition(".")[0] in BANNED_MODULES:
            yield f"{source.path}:{one.line} imports {one.module}"
    for name, line in (*source.calls(), *builtin_calls(source)):
        if name in BANNED_CALLS or (name == "yaml.load" and str(source.path) != SAFE_YAML):
            yield f"{source.path}:{line} calls {name}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            for word in node.keywords:
                is_true = isinstance(word.value, ast.Constant) and word.value.value is True
                if word.arg == "shell" and not (
                    isinstance(word.value, ast.Constant) and word.value.value is False
                ):
                    yield f"{source.path}:{node.lineno} passes shell="
                if word.arg == "allow_pickle" and is_true:
                    yield f"{source.path}:{node.lineno} allows pickles"
                if word.arg == "verify" and (
                    isinstance(word.value, ast.Constant) and word.value.value is False
                ):
                    yield f"{source.path}:{node.lineno} does not verify certificates"


def test_the_product_runs_no_foreign_text() -> None:
    found = [words for source in PRODUCT for words in violations(source)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "import pickle", "from marshal import loads", "import shelve", "eval('1')", "exec('1')",
        "import subprocess\nsubprocess.run('ls', shell=True)", "import os\nos.system('ls')",
        "import os as o\no.popen('ls')", "from tempfile import mktemp\nmktemp()",
        "import yaml\nyaml.load('x', Loader=yaml.Loader)", "import yaml\nyaml.unsafe_load('x')",
        "import numpy\nnumpy.load('x', allow_pickle=True)",
        "import httpx\nhttpx.get('x', verify=False)",
        "import subprocess\nsubprocess.run('ls', shell=bool(1))",
    ],
)  # fmt: skip
def test_the_search_finds_each_of_them(line: str) -> None:
    class Made(Source):
        text = line
        tree = ast.parse(line)

    assert list(violations(Made(PRODUCT[0].path)))


def test_the_yaml_loader_is_a_safe_one() -> None:
    text = (ROOT / SAFE_YAML).read_text(encoding="utf-8")
    assert re.search(r"class _StrictLoader\((yaml\.)?(C?SafeLoader)\)", text)
    assert text.count("yaml.load(") == 1


# Why a rule of security is passed over where its line does not say it.
REASONS = {
    "S608": "what is put into a statement are constants of ours and question marks, never values",
}


def test_each_exception_from_the_security_rules_is_justified() -> None:
    """By the words behind it on its line, or by the reason of its rule above."""
    unsaid = [
        f"{source.path}:{number} {match[1]}"
        for source in PRODUCT
        for number, line in enumerate(source.text.splitlines(), 1)
        if (match := re.search(r"# noqa: (S[0-9]+)(.*)", line))
        and not match[2].strip(" -")
        and match[1] not in REASONS
    ]
    assert not unsaid, unsaid


def test_each_exception_from_the_security_rules_names_its_rule() -> None:
    bare = [
        f"{source.path}:{number}"
        for source in PRODUCT
        for number, line in enumerate(source.text.splitlines(), 1)
        if re.search(r"#\s*noqa(?!: [A-Z]+[0-9]+)", line) or "nosec" in line
    ]
    assert not bare, bare


def test_scripts_download_nothing_that_is_not_pinned() -> None:
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.is_file()]
    loose = [
        f"{path.name}:{number}: {line.strip()}"
        for path in scripts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if not line.lstrip().startswith("#")
        and (
            re.search(r"\b(curl|wget)\b", line)
            or re.search(r"\bnpm (install|i)\b|\bnpx\b", line)
            or (re.search(r"\bpip install\b", line) and "--require-hashes" not in line)
        )
        and "say " not in line
        and "fail " not in line
    ]
    # To install this very checkout, without what it needs, downloads nothing.
    assert not [line for line in loose if not line.endswith("--no-deps -e .")], loose


def test_the_page_is_locked_by_hashes() -> None:
    lock = json.loads((ROOT / "webapp/package-lock.json").read_text(encoding="utf-8"))
    package = json.loads((ROOT / "webapp/package.json").read_text(encoding="utf-8"))
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert packages
    for name, one in packages.items():
        assert one.get("integrity", "").startswith("sha512-"), name
        resolved = one.get("resolved", "https://registry.npmjs.org/")
        assert resolved.startswith("https://registry.npmjs.org/"), name
    for group in ("dependencies", "devDependencies"):
        for name, version in package.get(group, {}).items():
            assert re.fullmatch(r"\d+\.\d+\.\d+", version), f"{name} is not pinned"
            assert packages[f"node_modules/{name}"]["version"] == version


@pytest.mark.parametrize("name", LOCKS)
def test_each_declared_dependency_is_locked_with_hashes(name: str) -> None:
    entries = {
        canonicalize_name(match[1]): entry
        for entry in re.split(r"\n(?=[a-z0-9])", read_lock(name).strip())
        if (match := PIN.match(entry))
    }
    for requirement in LOCKS[name]:
        entry = entries[canonicalize_name(requirement.name)]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), requirement


# --- licences ------------------------------------------------------------------------------------

# All of them may be combined with GPL-3.0 (https://www.gnu.org/licenses/license-list.html).
FITTING = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "GPL-3.0", "ISC", "LGPL-2.1",
    "LGPL-3.0", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib",
}  # fmt: skip
# What old metadata call them, by the words that they use.
SPELLINGS = (
    ("gnu general public license v3", "GPL-3.0"), ("gplv3", "GPL-3.0"), ("gpl-3.0", "GPL-3.0"),
    ("lgpl-2.1", "LGPL-2.1"), ("lgpl", "LGPL-3.0"), ("mozilla", "MPL-2.0"), ("mpl-2.0", "MPL-2.0"),
    ("apache", "Apache-2.0"), ("bsd", "BSD-3-Clause"), ("isc", "ISC"), ("mit", "MIT"),
    ("permission is hereby granted, free of charge", "MIT"), ("psf", "PSF-2.0"),
    ("python software foundation", "PSF-2.0"), ("unlicense", "Unlicense"), ("cc0", "CC0-1.0"),
)  # fmt: skip


def licences_of(package: Distribution) -> set[str]:
    """Return the licences that a package names: all of an expression's, or what its words mean."""
    metadata = package.metadata
    for expression in metadata.get_all("License-Expression") or []:
        names = re.split(r"\s+(?:AND|OR|WITH)\s+|[()]", expression)
        return {re.sub(r"-(only|or-later)$|\+$", "", name) for name in names if name.strip()}
    words = [
        *(c for c in metadata.get_all("Classifier") or [] if c.startswith("License ::")),
        *(metadata.get_all("License") or []),
    ]
    for text in filter(None, words):
        for spelling, licence in SPELLINGS:
            if spelling in text.casefold():
                return {licence}
    return set()


INSTALLED: dict[str, Distribution] = {canonicalize_name(one.name): one for one in distributions()}
LOCKED = sorted(
    {canonicalize_name(name) for name, _ in PIN.findall(read_lock("requirements.lock"))}
)


@pytest.mark.parametrize("name", LOCKED)
def test_a_licence_fits_with_the_gpl(name: str) -> None:
    if name not in INSTALLED:
        pytest.skip("of another platform")
    found = licences_of(INSTALLED[name])
    assert found, f"{name} does not say under which licence it is"
    assert found <= FITTING, f"{name}: {found - FITTING}"


def test_the_runtime_is_installed_where_its_licences_are_judged() -> None:
    assert not [one.name for one in RUNTIME if canonicalize_name(one.name) not in INSTALLED]


@pytest.mark.parametrize(
    ("expression", "fits"),
    [("MIT OR Apache-2.0", True), ("AGPL-3.0-only", False), ("GPL-2.0-only", False),
     ("SSPL-1.0", False), ("LGPL-2.1-or-later", True), ("Proprietary", False)],
)  # fmt: skip
def test_the_judgement_of_licences_can_fail(expression: str, fits: bool) -> None:
    class Made(Distribution):
        @property
        def metadata(self) -> Any:
            made = Message()
            made["License-Expression"] = expression
            return made

        def read_text(self, filename: str) -> str | None:
            return None

        def locate_file(self, path: Any) -> Any:
            return path

    assert (licences_of(Made()) <= FITTING) is fits
