"""Exports over HTTP: shown, changed as a whole, kept, refused in words, told and written down."""

from __future__ import annotations

import json

from photonic.api.events import told
from photonic.errors import ExporterOff, ExportRuleInvalid
from photonic.events import Audited, ExportsChanged
from tests.api.client import face, run


def test_rules_are_replaced_as_a_whole_kept_and_written_down() -> None:
    async def main() -> None:
        async with face() as (node, client):
            events: list[object] = []
            node.events.listen(lambda _, event: events.append(event))
            assert (await client.get("/api/v1/exports")).json()["nfs"]["rules"] == []
            body = {"rules": ["10.0.0.7  rw", "10.0.0.0/8 ro on central"]}
            answer = await client.put("/api/v1/exports/rules", json=body)
            assert answer.status_code == 200
            rules = ["10.0.0.7 rw", "10.0.0.0/8 ro on central"]
            assert answer.json()["nfs"]["rules"] == rules and answer.json()["nfs"]["changed"]
            assert [rule.client for rule in node.exporter.export.rules] == [
                "10.0.0.7",
                "10.0.0.0/8",
            ]
            assert json.loads((node.folder / "exports.json").read_bytes()) == rules
            changed = [one for one in events if isinstance(one, Audited)]
            assert [one.act for one in changed] == ["export.changed"]
            assert changed[0].facts["rules"] == ", ".join(rules)
            again = (await client.delete("/api/v1/exports/rules")).json()
            assert again["nfs"]["rules"] == [] and not again["nfs"]["changed"]
            assert not (node.folder / "exports.json").exists()

    run(main)


def test_a_broken_rule_changes_nothing_and_every_problem_is_told() -> None:
    async def main() -> None:
        async with face() as (node, client):
            await client.put("/api/v1/exports/rules", json={"rules": ["10.0.0.7 rw"]})
            body = {"rules": ["10.0.0.8 rw", "x ro", "10.0.0.9 rx"]}
            answer = await client.put("/api/v1/exports/rules", json=body)
            assert answer.status_code == ExportRuleInvalid.http_status
            problem = answer.json()
            assert problem["code"] == ExportRuleInvalid.code
            assert "x ro" in problem["detail"] and "rx" in problem["detail"]
            assert [rule.text for rule in node.exporter.export.rules] == ["10.0.0.7 rw"]
            shown = (await client.get("/api/v1/exports")).json()
            assert shown["nfs"]["rules"] == ["10.0.0.7 rw"]

    run(main)


def test_where_nothing_is_exported_rules_are_refused() -> None:
    async def main() -> None:
        async with face() as (node, client):
            node.exports.exporter = None
            answer = await client.put("/api/v1/exports/rules", json={"rules": []})
            assert (answer.status_code, answer.json()["code"]) == (409, ExporterOff.code)
            assert (await client.get("/api/v1/exports")).json() == {"tree": None, "nfs": None}

    run(main)


def test_a_change_is_told_to_whoever_listens() -> None:
    event = ExportsChanged("ready", "serving", 12, 14, 3)
    counts = {"originals": 12, "built": 14, "taken_in": 3}
    data = {"tree": "ready", "nfs": "serving", **counts}
    assert told(event) == [("exports", data)]
