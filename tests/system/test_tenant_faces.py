"""Two libraries behind one HTTP address: what is asked of one tells nothing of the other.

Every operation of the OpenAPI document is asked of Ben's library with the ids of Ann's, and must
answer what it answers to ids that nobody ever made, byte for byte.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from photonic.identity import Identity
from photonic.ids import peer_id
from simulations.daemons import Daemon, daemons, photonic
from tests.cameras import make_camera_files
from tests.source import ROOT
from tests.system.two_libraries import add, enrol_key

DOCUMENT = json.loads((ROOT / "docs/openapi.json").read_text(encoding="utf-8"))
# What is asked elsewhere: a stream that never ends, and the end of a library.
ELSEWHERE = {"listen", "stop"}
BEFORE = "ID-OF-SOMEBODY"
FRESH = re.compile(rb"[0-9a-f]{16,64}|\d{4}-\d\d-\d\dT[\d:.]+Z")


class Asked(NamedTuple):
    """One request: where, and what body; `{photo}` and the like stand for ids."""

    method: str
    path: str
    body: object = None


@dataclass
class Ids:
    """The ids of one library, by kind."""

    photo: str
    blob: str
    album: str
    change: str
    act: str
    node: str
    cursor: str
    token: str = ""  # the id of one
    secret: str = ""  # what its holder shows
    marks: list[str] = field(default_factory=list)  # what nobody else may be shown


# What to send where a request has a body: by operation, every way to name something by its id.
BODIES: dict[str, list[dict[str, object]]] = {
    "edit_photo": [{"rating": 3}, {"albums": {"add": ["{album}"]}}, {"stack": "{photo}"}],
    "edit_photos": [
        {"ids": ["{photo}"], "rating": 3},
        {"q": "id:{photo}", "rating": 3},
        {"q": "album:{album}", "rating": 3},
    ],
    "resolve_conflict": [{"field": "rating", "change": "{change}"}],
    "undo": [{"change": "{change}"}, {"act": "{act}"}],
    "discard_photos": [{"ids": ["{photo}"]}, {"q": "id:{photo}"}],
    "restore_photos": [{"ids": ["{photo}"]}, {"q": "id:{photo}"}],
    "confirm_removals": [{"node": "{node}"}],
    "create_album": [{"name": "probe {serial}", "query": "id:{photo}"}],
    "change_album": [{"name": "mine now"}],
    "write_display_policy": [{"prefer": ["{node}"]}, {"policy": "prefer-node", "node": "{node}"}],
    "write_placement_policy": [{"rules": ["where id:{photo}: keep on nobody {node}"]}],
    "change_placement_policy": [{"add": ["where id:{photo}: keep on nobody {node}"]}],
    "check_placement_policy": [{"rules": ["where album:{album}: copies 3"]}],
    "evict": [{"bytes": 1, "dry_run": True}],
    "write_export_rules": [{"rules": ["{photo} rw"]}],
    "invite": [{"role": "nobody {node}"}],
    "join": [{"code": "photonic-{photo}"}],
    "export_catalog": [{"folder": "/proc/{photo}/x"}],
    "import_catalog": [{"folder": "/proc/{photo}/x", "merge": True}],
    "start_verification": [{"ids": ["{photo}"]}, {"q": "id:{photo}"}],
    "write_scrub": [{"paused": "{photo}"}],
    "write_limits": [{"peers": [{"node": "{node}", "in_bytes_s": 1000}]}],
    "pause": [
        {"kind": "photo", "id": "{photo}"},
        {"kind": "album", "id": "{album}"},
        {"kind": "peer", "id": "{node}"},
    ],
    "resume": [
        {"kind": "photo", "id": "{photo}"},
        {"kind": "album", "id": "{album}"},
        {"kind": "peer", "id": "{node}"},
    ],
    "start_import": [{"folder": "/proc/{photo}"}],
    "log_in": [{"token": "{secret}"}],
    "create_token": [{"name": "probe {serial}", "scopes": ["catalog.read"]}],
    "revoke_member": [{}, {"cut": 3}, {"dry_run": True}],
    "restore_member": [{}],
    "change_rights": [{"scopes": ["catalog.read"]}],
    "write_sealed_fields": [{"fields": ["gps"]}],
}
PATH_IDS = {
    "read_photo": "photo", "edit_photo": "photo", "read_original": "photo",
    "read_preview": "photo", "resolve_conflict": "photo", "read_photo_log": "photo",
    "read_placement": "photo",
    "change_album": "album", "delete_album": "album",
    "revoke_member": "node", "restore_member": "node", "change_rights": "node",
    "revoke_token": "token",
}  # fmt: skip
QUERIES = {
    "count_photos": ["?q=id:{photo}", "?q=album:{album}", "?q=blob:{blob}"],
    "list_photos": ["?q=id:{photo}", "?q=album:{album}", "?cursor={cursor}"],
    "read_timeline": ["?q=id:{photo}", "?q=album:{album}"],
    "list_audit_entries": ["?limit=200", "?cursor={cursor}"],
}
KINDS = ("photo", "blob", "album", "change", "act", "node", "token", "secret")


def operations() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation["operationId"], operation


def asked() -> list[Asked]:
    """Every operation with every way to put an id into it. A new one must find its ids here."""
    found = []
    for method, path, operation, told in operations():
        if operation in ELSEWHERE:
            continue
        names = [one["name"] for one in told.get("parameters", ()) if one["in"] == "path"]
        assert bool(names) == (operation in PATH_IDS), f"{operation}: which ids are in its path?"
        place = path
        for name in names:
            place = place.replace(f"{{{name}}}", f"{{{PATH_IDS[operation]}}}")
        has_body = "requestBody" in told
        assert has_body == (operation in BODIES), f"{operation}: which ids are in its body?"
        found += [Asked(method, place, body) for body in BODIES.get(operation, [None])]
        found += [Asked(method, place + query) for query in QUERIES.get(operation, ())]
    return found


def put(ids: Ids, text: str, serial: int) -> str:
    for kind in (*KINDS, "cursor"):
        text = text.replace(f"{{{kind}}}", getattr(ids, kind))
    return text.replace("{serial}", str(serial))


def stranger(like: Ids, chance: random.Random) -> Ids:
    """Return ids of the same form that nobody ever made."""

    def another(text: str) -> str:
        return "".join(chance.choice("0123456789abcdef") for _ in text)

    node = peer_id(Identity(chance.randbytes(32)).node)
    return Ids(
        another(like.photo), another(like.blob), another(like.album), another(like.change),
        another(like.act), node, like.cursor, another(like.token),
        "photonic_" + another(like.secret.removeprefix("photonic_")),
    )  # fmt: skip


def answer(client: httpx.Client, library: Daemon, one: Asked, ids: Ids, serial: int) -> bytes:
    """Return all that is answered, with the ids that were sent taken out of it."""
    body = None if one.body is None else json.loads(put(ids, json.dumps(one.body), serial))
    got = client.request(one.method, library.url + put(ids, one.path, serial), json=body)
    headers = {key: value for key, value in got.headers.items() if key not in ("date", "etag")}
    text = f"{got.status_code} {headers}\n".encode() + got.content
    for kind in KINDS:
        text = text.replace(getattr(ids, kind).encode(), BEFORE.encode())
    return text


def settled(told: bytes) -> bytes:
    """Take out of an answer what differs each time: ids made for it, and times."""
    return FRESH.sub(b"...", told)


@dataclass
class Machine:
    """One daemon with Ann's library and Ben's."""

    daemon: Daemon
    ben: Daemon
    anns: Ids
    folder: Path
    shared: bytes  # a file that only Ann has taken in so far


def ids_of(library: Daemon, names: list[str]) -> Ids:
    photos = library.photos()
    photo = next(iter(photos))
    album = library.send("POST", "/albums", {"name": f"The secret of {names[0]}"})
    edit = {"title": f"Only {names[0]} knows", "albums": {"add": [album["id"]]}, "rating": 5}
    library.send("PATCH", f"/photos/{photo}", edit)
    log = library.get(f"/photos/{photo}/log")["items"][0]
    act = library.send("POST", "/photos/edit", {"ids": [photo], "caption": f"Of {names[0]}"})
    status = library.status()
    page = library.get("/photos", limit=1)
    given: dict[str, Any] = {"name": f"The phone of {names[0]}", "scopes": ["catalog.read"]}
    token = library.send("POST", "/tokens", given)
    ids = Ids(
        photo, photo, album["id"], log["change"], act["act"], status["node"]["id"], page["next"],
        token["token"]["id"], token["text"],
    )  # fmt: skip
    ids.marks = [
        *photos, album["id"], ids.change, ids.act, ids.node, status["library"]["id"],
        given["name"], ids.token, ids.secret, library.get("/keys")["keys"][0]["name"],
        status["library"]["name"], f"The secret of {names[0]}", f"Only {names[0]} knows",
        *(item["name"] for item in photos.values()), *names,
    ]  # fmt: skip
    return ids


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    place = tmp_path_factory.mktemp("machine")
    for name in ("lagoon", "cellar"):
        make_camera_files(place / name)
        for path in list((place / name).iterdir()):  # no photo and no name in both
            if path.suffix != ".xmp":
                with path.open("ab") as file:
                    file.write(name.encode())
            path.rename(path.with_name(f"{name}-{path.name}"))
    shared = next(path for path in (place / "lagoon").iterdir() if path.suffix == ".jpg")
    with daemons(place / "studio") as (daemon,):
        daemon.start("--library-name", "Lagoon", "--name", "studio")
        ben = add(daemon, "ben", "--name", "Cellar")
        photonic(daemon.home, "import", str(place / "lagoon"), check=False)
        photonic(ben.home, "import", str(place / "cellar"), check=False)
        member = enrol_key(daemon, place / "anns-laptop")
        anns = ids_of(daemon, ["lagoon"])
        anns.marks.append(peer_id(member.node))
        ids_of(ben, ["cellar"])
        yield Machine(daemon, ben, anns, place, shared.read_bytes())


def everything(library: Daemon) -> object:
    photos = library.photos()
    keys, tokens = library.get("/keys"), library.get("/tokens")
    members = [
        (one["id"], one["scopes"], one["revoked"]) for one in library.get("/members")["items"]
    ]
    acts = library.get("/audit", limit=200)["items"]
    what = [one["act"] for one in acts if one["act"] != "audit.signed"]
    log, pauses = library.get("/log"), library.get("/pauses")
    return photos, library.get("/albums"), log, pauses, keys, tokens, members, what, [
        library.get(f"/photos/{photo}") for photo in photos
    ]  # fmt: skip


def test_ids_of_another_library_are_answered_as_ids_that_nobody_made(machine: Machine) -> None:
    chance = random.Random(5)
    before = everything(machine.daemon)
    serial = itertools.count()
    with httpx.Client(timeout=60) as client:
        checked = 0
        for one in asked():
            is_named = put(machine.anns, repr(one), 0) != repr(one).replace("{serial}", "0")
            number = next(serial)
            told = answer(client, machine.ben, one, machine.anns, number)
            leaked = [mark for mark in machine.anns.marks if mark.encode() in told]
            assert not leaked, f"{one} tells {leaked}: {told[:500]!r}"
            if is_named and "cursor" not in one.path:
                unknown = answer(client, machine.ben, one, stranger(machine.anns, chance), number)
                assert settled(told) == settled(unknown), one
                checked += 1
    assert checked >= 35
    assert everything(machine.daemon) == before, "nothing of Ann's was changed"


def test_the_same_requests_of_the_library_itself_are_answered(machine: Machine) -> None:
    """So the refusals above are refusals, and not requests that nobody understands."""
    with httpx.Client(timeout=60) as client:
        for operation, kind in PATH_IDS.items():
            if operation.startswith("read_"):
                path = next(path for _, path, name, _ in operations() if name == operation)
                asking = Asked("GET", path.replace("{id}", f"{{{kind}}}"))
                assert answer(client, machine.daemon, asking, machine.anns, 0).startswith(b"200")
                assert answer(client, machine.ben, asking, machine.anns, 0).startswith(b"404")


def test_events_of_one_library_are_not_told_to_listeners_of_the_other(machine: Machine) -> None:
    own = next(iter(machine.ben.photos()))
    with httpx.stream("GET", f"{machine.ben.url}/api/v1/events", timeout=30) as stream:
        lines = stream.iter_lines()
        next(lines)
        machine.daemon.send("PATCH", f"/photos/{machine.anns.photo}", {"rating": 1})
        machine.ben.send("PATCH", f"/photos/{own}", {"rating": 2})
        heard = []
        for line in lines:
            heard.append(line)
            if own in line:
                break
    text = "\n".join(heard)
    assert own in text
    assert not [mark for mark in machine.anns.marks if mark in text]


def test_equal_files_in_both_libraries_are_two_and_neither_can_tell(machine: Machine) -> None:
    def facts(library: Daemon) -> object:
        return everything(library), library.get("/facets"), library.get("/photos/count")

    before = facts(machine.daemon)
    folder = machine.folder / "equal"
    folder.mkdir()
    (folder / "equal.jpg").write_bytes(machine.shared)
    done = json.loads(photonic(machine.ben.home, "--json", "import", str(folder)).stdout)
    assert (done["imported"], done["known"]) == (1, 0), "it is new to Ben's library"
    assert facts(machine.daemon) == before
    (photo,) = machine.daemon.photos().keys() & machine.ben.photos().keys()
    files = [
        next((library.home / "blobs/blobs").rglob(photo)).stat()
        for library in (machine.daemon, machine.ben)
    ]
    assert files[0].st_ino != files[1].st_ino and files[0].st_nlink == files[1].st_nlink == 1


def test_the_list_of_libraries_is_for_this_machine_and_guarded(machine: Machine) -> None:
    with httpx.Client() as client:
        url = f"{machine.daemon.url}/api/libraries"
        items = client.get(url).json()["items"]
        assert [(one["name"], one["path"], one["state"]) for one in items] == [
            ("", "/", "serving"),
            ("ben", "/l/ben/", "serving"),
        ]
        for headers in (
            {"host": "photos.example"},
            {"origin": "http://photos.example"},
            {"sec-fetch-site": "cross-site"},
        ):
            refused = client.get(url, headers=headers)
            assert refused.json()["code"] == "http.origin-refused", headers
        for path in ("/l/nobody/", "/l/nobody/api/v1/status", "/l//api/v1/status", "/l/BEN/"):
            assert client.get(machine.daemon.url + path).status_code == 404, path
        for path in ("/l/ben/%2e%2e/%2e%2e/api/v1/status", "/l/ben/l/ben/api/v1/status"):
            asking = httpx.Request("GET", machine.daemon.url + path)
            assert machine.anns.node.encode() not in client.send(asking).content


def test_stopping_one_library_leaves_the_other(tmp_path: Path) -> None:
    with daemons(tmp_path / "studio") as (daemon,):
        daemon.start()
        ben = add(daemon)
        with daemon._client.stream("GET", f"{daemon.url}/api/v1/events") as listening:
            lines = listening.iter_lines()
            next(lines)
            photonic(daemon.home, "library", "remove", "ben")
            assert httpx.get(f"{ben.url}/api/v1/status").status_code == 404
            photonic(daemon.home, "library", "add", "ben")
            assert ben.status()["library"]["name"] == "ben"
            ben.send("POST", "/stop", {})
            folder = tmp_path / "card"
            folder.mkdir()
            (folder / "a.CR3").write_bytes(os.urandom(1_000))
            photonic(daemon.home, "import", str(folder), check=False)
            assert any("import" in line for line in lines), "the stream was not cut"
        assert daemon.stop() == 0
