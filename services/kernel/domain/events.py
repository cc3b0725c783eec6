"""The base classes of every published event and of the state it carries.

An event is a pydantic class; its class name is the EventBridge detail-type and the CloudEvents
type, its context the source. The classes generate events/schemas/ (see tools/schemas.py).
"""

import re
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from kernel.domain.ids import Id
from kernel.domain.money import LARGEST
from kernel.domain.patterns import described
from kernel.domain.text import Name as Name
from kernel.domain.text import Text as Text
from kernel.domain.text import identifier_only, is_stored, one_line_only

REGISTRY: dict[str, "type[DomainEvent]"] = {}
"""Every event class by `<context>/<Event>.v<N>`."""

_KEY = described(
    r"^[A-Za-z][A-Za-z0-9_.-]{0,39}$",
    "must be a name such as crm: A to Z or a to z first, then also digits, dots, dashes and "
    "underscores, at most 40 characters",
)
Key = Annotated[str, StringConstraints(pattern=_KEY)]
"""A name for a system, a custom field or a channel."""
MAX_EXTERNAL_IDS = 10
"""The maximum number of external ids of a record."""
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def same_id(external_id: str) -> str:
    """An external id; one that is an e-mail address in lower case, as addresses are stored."""
    return external_id.lower() if _ADDRESS.fullmatch(external_id) else external_id


def _same_id(value: str, info: ValidationInfo) -> str:
    """A stored id stays as it is: the item that makes it unique has it in its key."""
    return value if is_stored(info) else same_id(value)


ExternalId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=120, strip_whitespace=True),
    identifier_only,
    AfterValidator(_same_id),
]
MAX_USER_ID = 120
UserId = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_USER_ID, strip_whitespace=True)
]
"""A user as the identity provider knows it (the token's `sub`)."""
Tag = Annotated[
    str, StringConstraints(min_length=1, max_length=40, strip_whitespace=True), one_line_only
]


def without_repetitions[T](values: list[T]) -> list[T]:
    """Each value once, in the order in which they came."""
    return list(dict.fromkeys(values))


def _with_one_message(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Report one message for a wrong value, instead of one for each type of the union.

    The bound on numbers applies to requests only; the schema of events has none.
    """
    try:
        checked = check(value)
    except ValidationError:
        checked = None
    if checked is None or (isinstance(checked, int) and abs(checked) > LARGEST):
        raise ValueError(
            "must be text of at most 500 characters, true or false, or a whole number from "
            f"-{LARGEST} to {LARGEST}; write any other number as text"
        )
    return checked


CustomValue = Annotated[
    StrictBool | StrictInt | Annotated[str, StringConstraints(strict=True, max_length=500)],
    WrapValidator(_with_one_message),
]
"""Text, a whole number or a boolean; no floats, which JSON parsers read differently."""


def empty(value: Any) -> bool:
    """Whether to omit a collection: smaller records cost fewer write units (1 KB each)."""
    return not value


class Fields(BaseModel):
    """The fields that a caller may set on every type of record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner_id: UserId | None = Field(None, description="The user responsible for this record.")
    team_id: UserId | None = Field(None, description="The owner's team.")
    external_ids: dict[Key, ExternalId] = Field(
        default_factory=dict,
        max_length=MAX_EXTERNAL_IDS,
        exclude_if=empty,
        description="Ids of this record in other systems, by system; unique per system.",
    )
    custom_fields: dict[Key, CustomValue] = Field(
        default_factory=dict, max_length=50, exclude_if=empty
    )
    tags: Annotated[list[Tag], AfterValidator(without_repetitions)] = Field(
        default_factory=list, max_length=20, exclude_if=empty, description="A set."
    )


class Snapshot(Fields):
    """A record as events publish it and as the API shows it."""

    versioned: ClassVar[bool] = True
    """Whether every change shown also changes `version`, which can then serve as the ETag."""

    id: Id
    version: int = Field(0, ge=0, description="Grows by one with every change; the ETag.")
    created_at: AwareDatetime
    created_by: UserId
    updated_at: AwareDatetime
    updated_by: UserId
    archived_at: AwareDatetime | None = None


class DomainEvent(BaseModel):
    """Something that happened to one record: `current` is that record afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    context: ClassVar[str]
    version: ClassVar[int]

    current: Snapshot

    def __init_subclass__(cls, *, context: str = "", version: int = 1, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not context:  # an intermediate base class, not an event
            return
        cls.context, cls.version = context, version
        REGISTRY[f"{context}/{cls.__name__}.v{version}"] = cls

    @classmethod
    def source(cls) -> str:
        """The EventBridge source and CloudEvents source, `zebros.<context>`."""
        return f"zebros.{cls.context}"

    @classmethod
    def schema_id(cls) -> str:
        """The CloudEvents dataschema: the `$id` of the generated JSON Schema."""
        return f"urn:zebros:schema:{cls.context}/{cls.__name__}.v{cls.version}"


class StreamState(Snapshot):
    """A gap in the events of one subject that a projection found."""

    projection: str
    subject: str = Field(description="The subject with the gap, such as `opportunity/<id>`.")
    missing_sequence: int = Field(ge=1)
    waiting_sequence: int = Field(ge=2, description="The sequence of the earliest parked event.")
    waiting_event_id: Id


class StreamGap(DomainEvent):
    """Base of every context's StreamGapDetected: an event is missing, later ones are parked."""

    current: StreamState


class DivergenceState(Snapshot):
    """Two histories of one subject that a projection found: its record's table was restored."""

    projection: str
    subject: str = Field(description="The subject with two histories: `opportunity/<id>`.")
    sequence: int = Field(ge=1, description="The sequence of the event that was found.")
    event_id: Id = Field(description="An event of the history that survives.")
    lost_event_id: Id = Field(description="An event of the lost history, applied before.")


class StreamDivergence(DomainEvent):
    """Base of every context's StreamDiverged: a projection applied events of a lost history."""

    current: DivergenceState
