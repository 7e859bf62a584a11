"""The bodies that the REST face takes. An unknown member is an error that names it.

In an edit, a member that is absent leaves its field alone and null clears it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from photonic import limits

Label = Literal["red", "yellow", "green", "blue", "purple"]  # darktable's and Lightroom's colours
Text = Annotated[str, Field(max_length=limits.TEXT_CHARS_MAX)]
Tag = Annotated[str, Field(min_length=1, max_length=limits.TAG_CHARS_MAX, pattern=r"\S")]
HASH_PATTERN = "^[0-9a-f]{64}$"

_INTEGER_MAX = 2**63 - 1


class Body(BaseModel):
    """What all bodies share."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TagEdit(Body):
    """Tags to add and to remove; adding what is there, or removing what is not, changes nothing."""

    add: list[Tag] = Field(default=[], max_length=limits.FIELDS_PER_CHANGE_MAX)
    remove: list[Tag] = Field(default=[], max_length=limits.FIELDS_PER_CHANGE_MAX)


class PhotoEdit(Body):
    """What a person says about a photo. Each member may be absent; null clears the field."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"rating": 4, "tags": {"add": ["harbour"]}}]}
    )

    rating: Annotated[int, Field(ge=-1, le=5)] | None = Field(
        default=None, description="Stars; -1 rejects."
    )
    label: Label | None = None
    title: Text | None = None
    caption: Text | None = None
    tags: TagEdit | None = None

    @model_validator(mode="after")
    def _say_something(self) -> PhotoEdit:
        if not self.model_fields_set:
            raise ValueError("name at least one of rating, label, title, caption, tags")
        return self

    @property
    def sets(self) -> dict[str, object]:
        """The fields that this edit writes, with their values."""
        said = self.model_fields_set - {"tags"}
        return {name: getattr(self, name) for name in PhotoEdit.model_fields if name in said}


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
    scopes: list[Annotated[str, Field(min_length=1, max_length=64)]] | None = Field(
        default=None, max_length=32, examples=[["catalog.read", "blobs.read"]]
    )


class JoinRequest(Body):
    """The code that `photonic invite` printed."""

    code: str = Field(min_length=1, max_length=limits.CODE_CHARS_MAX)


class ImportRequest(Body):
    """A folder on the machine where the node runs."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"folder": "/media/card/DCIM"}]})

    folder: str = Field(min_length=1, max_length=limits.PATH_CHARS_MAX, pattern=r"^/[^\x00]*$")


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
