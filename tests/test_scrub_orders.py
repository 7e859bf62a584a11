"""Who waits with a bound comes between the pieces of what may take hours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from photonic.blobs.store import Verdict
from tests.test_scrubber import Asked, Kept, run


def test_a_promise_is_not_kept_waiting_by_a_verification_of_everything(tmp_path: Path) -> None:
    """Else no node could let anything go while an archive reads its four terabytes."""

    async def main(kept: Kept) -> None:
        blobs = [kept.store.put(number) for number in range(4)]
        promise = Asked([[blobs[3]]])

        class Everything(Asked):
            def note(self, verdicts: Sequence[Verdict]) -> None:
                super().note(verdicts)
                if len(self.verdicts) == 1:  # it is under way
                    kept.scrubber.order(promise, is_hurried=False)

        everything = Everything([[blob] for blob in blobs[:3]])
        kept.scrubber.order(everything)
        await kept.pass_time(10, 1)
        assert [blob for _, blob in kept.store.reads] == [blobs[0], blobs[3], *blobs[1:3]]
        assert (promise.ends, everything.ends) == ([None], [None])

    run(tmp_path, main, days=0)


def test_promises_have_their_turn_before_what_was_ordered_here(tmp_path: Path) -> None:
    async def main(kept: Kept) -> None:
        blobs = [kept.store.put(number) for number in range(2)]
        work, promise = Asked([[blobs[0]]]), Asked([[blobs[1]]])
        kept.scrubber.order(work)
        kept.scrubber.order(promise, is_hurried=False)
        await kept.pass_time(10, 1)
        assert [blob for _, blob in kept.store.reads] == [blobs[1], blobs[0]]

    run(tmp_path, main, days=0)
