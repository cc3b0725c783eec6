"""The parameters of an import: what was uploaded, and what its lines are."""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kernel.domain.ids import Id

Collection = Literal["accounts", "contacts", "products", "opportunities"]
COLLECTIONS: tuple[Collection, ...] = get_args(Collection)
MATCH_BY: dict[str, tuple[str, ...]] = {"contacts": ("email",)}
"""How records are found besides by external ids; only for these collections."""

# Events are read by programs of other versions, so these are words and not lists of words.
_Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class ImportParameters(BaseModel):
    """Which upload is imported as which records."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    upload_id: Id = Field(description="The upload with the records.")
    record_type: _Word = Field(
        description="accounts, contacts, products or opportunities.",
        examples=["contacts"],
    )
    match_by: _Word | None = Field(
        None,
        description="email: contacts are also found by their e-mail addresses.",
        examples=["email"],
    )
    dry_run: bool = Field(
        False, description="Whether nothing is changed: every line is checked and counted."
    )

    def wrong_field(self) -> tuple[str, str] | None:
        """The field that this release cannot carry out, and what is wrong; None without one."""
        if self.record_type not in COLLECTIONS:
            return "record_type", f"must be one of: {', '.join(COLLECTIONS)}"
        known = MATCH_BY.get(self.record_type, ())
        if self.match_by is not None and self.match_by not in known:
            if not known:
                return "match_by", f"must be left out: it is not for {self.record_type}"
            return "match_by", f"must be one of: {', '.join(known)}"
        return None
