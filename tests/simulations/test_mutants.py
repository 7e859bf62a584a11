"""The simulator finds the bugs of `simulations/mutations.toml`, each with the seed that is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from photonic.crdt import brake
from photonic.ids import BlobId
from simulations import __main__ as program
from simulations import hunt, mutations
from simulations.mutations import Edit, Mutation, MutationInvalid
from simulations.outcomes import Outcome

EVERY = mutations.load()
CAUGHT = hunt.read()
_PROCESSES = 2
_WITHIN_S = 120

Replays = Mapping[str, Future[list[Outcome]]]


@pytest.fixture(scope="module")
def replays() -> Iterator[Replays]:
    """Play each history that showed a bug again, with the bug."""
    with ThreadPoolExecutor(_PROCESSES) as pool:
        yield {
            name: pool.submit(_replay, name, caught)
            for name, caught in CAUGHT.items()
            if name in {each.name for each in EVERY}
        }


def _replay(name: str, caught: hunt.Caught) -> list[Outcome]:
    return list(hunt.play(name, caught.scenario, caught.seed, 1))


@pytest.mark.parametrize("mutation", EVERY, ids=lambda each: each.name)
def test_a_mutation_can_be_planted(mutation: Mutation) -> None:
    mutation.check()


@pytest.mark.parametrize("name", [each.name for each in EVERY])
def test_a_planted_bug_is_found(name: str, replays: Replays) -> None:
    (outcome,) = replays[name].result(timeout=_WITHIN_S)
    broken = {violation.checker for violation in outcome.violations}
    assert CAUGHT[name].checker in broken, "look for it anew: python -m simulations mutants " + name


def test_there_are_as_many_as_were_promised_and_the_page_has_them_all() -> None:
    assert len(EVERY) >= 15
    assert [each.name for each in EVERY] == list(CAUGHT)
    assert hunt.PAGE.read_text(encoding="utf-8") == hunt.page(EVERY, CAUGHT)


def test_what_is_planted_is_in_one_process_and_in_no_file(replays: Replays) -> None:
    spoilt = next(each for each in EVERY if each.name == "brake-forgotten")
    assert replays[spoilt.name].result(timeout=_WITHIN_S)
    spoilt.check()  # what it replaces is still there
    removals = [brake.Removal(BlobId(bytes([n]) * 32), n) for n in range(50)]
    assert brake.held(removals, -1, lambda _: 50), "this process has the product as it is"


def test_a_mutation_that_the_product_outgrew_is_told() -> None:
    edit = Edit("photonic/limits.py", "nobody wrote this", "")
    outgrown = Mutation(name="outgrown", why="", edits=(edit,))
    with pytest.raises(MutationInvalid, match=r"outgrown.*0 times"):
        outgrown.check()


def test_a_mutation_that_is_no_python_is_told() -> None:
    edit = Edit("photonic/ids.py", "from __future__ import annotations\n", "from\n")
    with pytest.raises(MutationInvalid, match="senseless"):
        Mutation(name="senseless", why="", edits=(edit,)).check()


def test_a_bug_that_survives_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    harmless = Mutation(name="harmless", why="It changes nothing.", scenario="trash", edits=())
    monkeypatch.setattr(mutations, "load", lambda _=(): [harmless])
    monkeypatch.setattr(hunt, "CAUGHT", tmp_path / "caught.json")
    monkeypatch.setattr(hunt, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(hunt, "play", lambda *_: iter(()))
    assert program.main(["mutants", "--seeds", "3"]) == 1
    assert "harmless SURVIVES 3 histories" in capsys.readouterr().out
    assert "**not found**" in (tmp_path / "page.md").read_text(encoding="utf-8")


def test_a_mutation_that_is_none_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["mutants", "no-such-bug"]) == 2
    assert "no mutation is called no-such-bug" in capsys.readouterr().err
