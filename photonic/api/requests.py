"""The bodies that the REST face takes. An unknown member is an error that names it.

In an edit, a member that is absent leaves its field alone and null clears it.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from photonic import limits
from photonic.edits import SETS, Chosen, Said

Label = Literal["red", "yellow", "green", "blue", "purple"]  # darktable's and Lightroom's colours
Text = Annotated[str, Field(max_length=limits.TEXT_CHARS_MAX)]
Tag = Annotated[str, Field(min_length=1, max_length=limits.TAG_CHARS_MAX, pattern=r"\S")]
HASH_PATTERN = "^[0-9a-f]{64}$"
Hash = Annotated[str, Field(pattern=HASH_PATTERN, examples=["ab" * 32])]
Album = Annotated[str, Field(pattern="^[0-9a-f]{32}$", examples=["a1" * 16])]
Group = Annotated[str, Field(pattern="^([0-9a-f]{2}){1,64}$")]  # of a shoot or a stack
Name = Annotated[str, Field(min_length=1, max_length=limits.ALBUM_NAME_CHARS_MAX, pattern=r"\S")]
QueryText = Annotated[str, Field(max_length=limits.QUERY_CHARS_MAX)]

_INTEGER_MAX = 2**63 - 1


class Body(BaseModel):
    """What all bodies share."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TagEdit(Body):
    """Tags to add and to remove; adding what is there, or removing what is not, changes nothing."""

    add: list[Tag] = Field(default=[], max_length=limits.FIELDS_PER_CHANGE_MAX)
    remove: list[Tag] = Field(default=[], max_length=limits.FIELDS_PER_CHANGE_MAX)


class AlbumEdit(Body):
    """Albums, by id, to put photos into and to take them out of."""

    add: list[Album] = Field(default=[], max_length=limits.FIELDS_PER_CHANGE_MAX)
    remove: list[Album] = Field(default=[], max_length=limits.FIELDS_PER_CHANGE_MAX)


class Place(Body):
    """A place on Earth in degrees (WGS 84) and metres."""

    latitude: float = Field(ge=-90, le=90, allow_inf_nan=False)
    longitude: float = Field(ge=-180, le=180, allow_inf_nan=False)
    altitude_m: float | None = Field(default=None, allow_inf_nan=False)


class PhotoEdit(Body):
    """What a person says about a photo. Each member may be absent; null clears the field."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"rating": 4, "tags": {"add": ["harbour"]}}]}
    )

    rating: Annotated[int, Field(ge=-1, le=5)] | None = Field(
        default=None, description="Stars; -1 rejects."
    )
    label: Label | None = None
    flag: Literal["pick", "reject"] | None = None
    title: Text | None = None
    caption: Text | None = None
    gps: Place | None = None
    tags: TagEdit | None = None
    albums: AlbumEdit | None = None
    shoot: Group | None = Field(default=None, description="Against the automatic grouping.")
    stack: Group | None = None

    @model_validator(mode="after")
    def _say_something(self) -> PhotoEdit:
        if not self.model_fields_set & set(PhotoEdit.model_fields):
            raise ValueError(f"name at least one of {', '.join(PhotoEdit.model_fields)}")
        return self

    @property
    def said(self) -> Said:
        """What this edit says."""
        named = self.model_dump(include=set(PhotoEdit.model_fields), exclude_unset=True)
        if self.gps is not None:
            named["gps"] = self.gps.model_dump()  # an altitude that is not told is told as none
        both = {name: named.pop(name) or {} for name in SETS if name in named}
        return Said(
            named,
            {name: edit["add"] for name, edit in both.items() if edit.get("add")},
            {name: edit["remove"] for name, edit in both.items() if edit.get("remove")},
        )


class BulkEdit(PhotoEdit):
    """What a person says of all photos that a query finds, or of those that are named."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"q": "taken:2024-05 tag:harbour", "rating": 4, "dry_run": True}]
        }
    )

    q: QueryText | None = Field(default=None, description="A query, docs/search.md.")
    ids: list[Hash] | None = Field(default=None, max_length=limits.EDIT_IDS_MAX)
    dry_run: bool = Field(default=False, description="Only count, and write nothing.")

    @model_validator(mode="after")
    def _choose_photos(self) -> BulkEdit:
        if (self.q is None) == (self.ids is None):
            raise ValueError("name the photos either by q or by ids")
        return self

    @property
    def chosen(self) -> Chosen:
        return Chosen(self.q, self.ids or ())


class Restoring(Body):
    """Photos, by a query or by their ids."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"q": "taken:2024-05"}]})

    q: QueryText | None = Field(default=None, description="A query, docs/search.md.")
    ids: list[Hash] | None = Field(default=None, max_length=limits.EDIT_IDS_MAX)

    @model_validator(mode="after")
    def _choose_photos(self) -> Self:
        if (self.q is None) == (self.ids is None):
            raise ValueError("name the photos either by q or by ids")
        return self

    @property
    def chosen(self) -> Chosen:
        return Chosen(self.q, self.ids or ())


class Discarding(Restoring):
    """Photos for the trash."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"q": "flag:reject"}]})

    confirm: bool = Field(default=False, description="It is meant, however many they are.")
    dry_run: bool = Field(default=False, description="Only count, and write nothing.")


class Confirmation(Body):
    """The node whose removals are meant, by its peer ID."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"node": "12D3KooW..."}]})

    node: str = Field(min_length=1, max_length=limits.NODE_ID_CHARS_MAX)


class UndoRequest(Body):
    """What to take back: a change or an act, by its id or the first digits of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"act": "3c" * 16}]})

    change: str | None = Field(default=None, pattern="^[0-9a-f]{6,64}$")
    act: str | None = Field(default=None, pattern="^[0-9a-f]{6,32}$")

    @model_validator(mode="after")
    def _choose_one(self) -> UndoRequest:
        if (self.change is None) == (self.act is None):
            raise ValueError("name either a change or an act")
        return self


class NewAlbum(Body):
    """An album; with a query it is a saved one, and nothing is put into it by hand."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Iceland"}]})

    name: Name
    query: QueryText | None = None


class AlbumChange(Body):
    """What to change of an album. A query of null makes it one that photos are put into."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Iceland 2024"}]})

    name: Name = ""
    query: QueryText | None = None

    @model_validator(mode="after")
    def _say_something(self) -> AlbumChange:
        if not self.model_fields_set:
            raise ValueError("name at least one of name, query")
        return self


class Resolution(Body):
    """How to settle a contested field: by the change whose value to keep, or by a value."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"field": "rating", "change": "5e" * 32}]}
    )

    field: str = Field(min_length=1, max_length=limits.TAG_CHARS_MAX, examples=["rating"])
    change: str | None = Field(default=None, pattern=HASH_PATTERN)
    value: str | int | float | bool | None = Field(
        default=None, description="The value to settle on; null clears the field."
    )

    @field_validator("value", mode="before")
    @classmethod
    def _check_value(cls, value: object) -> object:
        match value:
            case bool() | None:
                return value
            case int() if abs(value) <= _INTEGER_MAX:
                return value
            case float() if abs(value) < float("inf"):
                return value
            case str() if len(value) <= limits.TEXT_CHARS_MAX and _is_encodable(value):
                return value
        raise ValueError("expected text, a number, true, false or null, of a size that can be kept")

    @model_validator(mode="after")
    def _check_choice(self) -> Resolution:
        if (self.change is None) == ("value" not in self.model_fields_set):
            raise ValueError("name either a change or a value")
        return self


class InvitationRequest(Body):
    """Whom to invite, for how long, and with which rights (without scopes: those of the role)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "mobile"}]})

    role: Literal["mobile", "central", "archive"]
    ttl_s: int = Field(default=limits.INVITATION_TTL_S, ge=60, le=limits.INVITATION_TTL_S_MAX)
    sealed: bool = Field(
        default=False, description="It holds and serves what it is not given the key to read."
    )
    scopes: list[Annotated[str, Field(min_length=1, max_length=64)]] | None = Field(
        default=None, max_length=32, examples=[["catalog.read", "blobs.read"]]
    )
    life_s: int | None = Field(
        default=None,
        ge=limits.MEMBER_LIFE_S_MIN,
        le=limits.MEMBER_LIFE_S_MAX,
        description="For how long the membership is good before it is renewed; null: for ever.",
    )


class JoinRequest(Body):
    """The code that `photonic invite` printed."""

    code: str = Field(min_length=1, max_length=limits.CODE_CHARS_MAX)


class ImportRequest(Body):
    """A folder on the machine where the node runs."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"folder": "/media/card/DCIM"}]})

    folder: str = Field(min_length=1, max_length=limits.PATH_CHARS_MAX, pattern=r"^/[^\x00]*$")


class CatalogExportRequest(Body):
    """A folder on the machine where the node runs; it is made, or is empty."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"folder": "/backup/catalog-2024-05-17"}]}
    )

    folder: str = Field(min_length=1, max_length=limits.PATH_CHARS_MAX, pattern=r"^/[^\x00]*$")


class CatalogImportRequest(Body):
    """A folder with an exported catalog, on the machine where the node runs."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"folder": "/backup/catalog-2024-05-17"}]}
    )

    folder: str = Field(min_length=1, max_length=limits.PATH_CHARS_MAX, pattern=r"^/[^\x00]*$")
    merge: bool = Field(
        default=False,
        description="Also an export of another library, where this one has photos already.",
    )


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
