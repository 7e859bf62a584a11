"""What the operations that look after files, the network and the export take in their body."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from photonic import limits
from photonic.api.requests import Body, Hash, QueryText
from photonic.edits import Chosen
from photonic.limiter import PeerLimit
from photonic.p2p.rates import Bandwidth


class ExportRulesRequest(Body):
    """Who may mount the tree over NFS: every rule that is to hold."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"rules": ["192.168.1.0/24 rw", "10.0.0.7 ro"]}]}
    )

    rules: list[str] = Field(max_length=limits.EXPORT_RULES_MAX)


class VerificationRequest(Body):
    """What to verify: photos, by a query or by their ids; without either, all that is stored."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"q": "rating>=4"}]})

    q: QueryText | None = Field(default=None, description="A query, docs/search.md.")
    ids: list[Hash] | None = Field(default=None, max_length=limits.EDIT_IDS_MAX)

    @model_validator(mode="after")
    def _choose_photos(self) -> Self:
        if self.q is not None and self.ids is not None:
            raise ValueError("name the photos either by q or by ids")
        return self

    @property
    def chosen(self) -> Chosen | None:
        return None if self.q is None and self.ids is None else Chosen(self.q, self.ids or ())


class ScrubRequest(Body):
    """Whether the regular verification rests."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"paused": True}]})

    paused: bool


class PeerLimitRequest(Body):
    """The limits of one node, named by its peer ID or its name; bytes per second."""

    peer: str = Field(min_length=1, max_length=limits.NODE_ID_CHARS_MAX)
    in_bytes_s: int | None = None
    out_bytes_s: int | None = None


class LimitsRequest(Body):
    """All limits of this node's transfers, in bytes per second. Absent or null: no limit."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"out_bytes_s": 5_000_000, "schedule": "08:00-22:00 2MB/s, otherwise full"}
            ]
        }
    )

    in_bytes_s: int | None = None
    out_bytes_s: int | None = None
    peers: list[PeerLimitRequest] = Field(default=[], max_length=limits.PEERS_KNOWN_MAX)
    schedule: str = Field(
        default="",
        max_length=limits.SCHEDULE_CHARS_MAX,
        description="What may pass each way by the time of day, in this machine's local time.",
    )
    metered: bool = Field(default=False, description="Originals wait.")
    metered_bytes_s: int | None = Field(
        default=None, description="On a metered link everything goes on at this rate instead."
    )
    parallel: int | None = Field(default=None, description="Files that are fetched at one time.")

    @property
    def bandwidth(self) -> Bandwidth:
        """The limits without those of peers."""
        return Bandwidth(**self.model_dump(exclude={"peers"}))

    @property
    def peer_limits(self) -> list[PeerLimit]:
        return [PeerLimit(**one.model_dump()) for one in self.peers]


class PauseRequest(Body):
    """What is to be left alone: the library (without an id), a peer, an album or a shoot."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kind": "album", "id": "a1" * 16}, {"kind": "library"}]}
    )

    kind: Literal["library", "peer", "album", "shoot"]
    id: str | None = Field(
        default=None,
        min_length=1,
        max_length=limits.NODE_ID_CHARS_MAX,
        description="A peer is named by its peer ID or its name.",
    )


class ResumeRequest(Body):
    """What is to go on; without a kind, everything that was paused."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "library"}, {}]})

    kind: Literal["library", "peer", "album", "shoot"] | None = None
    id: str | None = Field(default=None, min_length=1, max_length=limits.NODE_ID_CHARS_MAX)


class Evicting(Body):
    """How much is to go; null: down to the low mark."""

    bytes: int | None = Field(default=None, ge=0, lt=1 << 62)
