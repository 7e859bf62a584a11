"""Limits over HTTP: shown, replaced as a whole, refused with the place of the error, and told."""

from __future__ import annotations

import pytest

from photonic.api.events import told
from photonic.errors import LimitsInvalid, PeerUnknown
from photonic.events import LimitsChanged
from photonic.ids import peer_id
from tests.api.client import face, run
from tests.api.local_node import NAMES, THERE

MB = 1_000_000
NONE: dict[str, object] = {
    "in_bytes_s": None,
    "out_bytes_s": None,
    "peers": [],
    "schedule": "",
    "metered": False,
    "metered_bytes_s": None,
    "parallel": None,
    "now_in_bytes_s": None,
    "now_out_bytes_s": None,
    "changed": False,
}


def test_limits_are_replaced_as_a_whole_and_shown_in_the_status() -> None:
    async def main() -> None:
        async with face() as (node, client):
            events: list[object] = []
            node.events.listen(lambda _, event: events.append(event))
            assert (await client.get("/api/v1/limits")).json() == NONE
            body = {
                "in_bytes_s": 5 * MB,
                "schedule": "00:00-24:00 2MB/s",
                "metered": True,
                "parallel": 4,
                "peers": [{"peer": NAMES[THERE], "out_bytes_s": MB}],
            }
            answer = await client.put("/api/v1/limits", json=body)
            assert answer.status_code == 200
            limits = answer.json()
            assert limits["peers"] == [
                {
                    "peer": peer_id(THERE),
                    "name": NAMES[THERE],
                    "in_bytes_s": None,
                    "out_bytes_s": MB,
                }
            ]
            assert (limits["now_in_bytes_s"], limits["now_out_bytes_s"]) == (2 * MB, 2 * MB)
            assert limits["changed"]
            assert (await client.get("/api/v1/limits")).json() == limits
            assert (await client.get("/api/v1/status")).json()["limits"] == limits
            assert events == [LimitsChanged(True)]
            again = (await client.put("/api/v1/limits", json={"parallel": 2})).json()
            assert again == NONE | {"parallel": 2, "changed": True}
            assert (await client.delete("/api/v1/limits")).json() == NONE

    run(main)


@pytest.mark.parametrize(
    ("body", "code", "position"),
    [
        ({"schedule": "08:00-25:00 2MB/s"}, LimitsInvalid.code, 6),
        ({"in_bytes_s": 0}, LimitsInvalid.code, None),
        ({"out_bytes_s": -1}, LimitsInvalid.code, None),
        ({"in_bytes_s": 10**30}, LimitsInvalid.code, None),
        ({"parallel": 0}, LimitsInvalid.code, None),
        ({"metered_bytes_s": MB}, LimitsInvalid.code, None),
        ({"peers": [{"peer": "vader", "in_bytes_s": MB}]}, PeerUnknown.code, None),
        ({"in_bytes_s": "5MB/s"}, "http.request-invalid", None),
        ({"speed": 5}, "http.request-invalid", None),
    ],
)
def test_what_is_wrong_is_pointed_at(
    body: dict[str, object], code: str, position: int | None
) -> None:
    async def main() -> None:
        async with face() as (_, client):
            answer = await client.put("/api/v1/limits", json=body)
            problem = answer.json()
            assert 400 <= answer.status_code < 500
            assert problem["code"] == code
            assert problem.get("position") == position
            assert (await client.get("/api/v1/limits")).json() == NONE

    run(main)


def test_a_change_is_an_event() -> None:
    assert told(LimitsChanged(True)) == [("limits", {"metered": True})]
