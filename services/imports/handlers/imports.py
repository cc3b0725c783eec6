"""REST routes of imports."""

from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, Field, StrictBool, StringConstraints

from imports.bootstrap import service
from imports.events import ImportRunState
from imports.parameters import Collection, ImportParameters
from imports.service import ImportDetails, Upload
from kernel.domain.ids import Id
from kernel.domain.principal import RequestContext
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from kernel.tasks.slots import MOST_PLACES
from kernel.tasks.view import shown_progress
from kernel.web.models import Body, ListQuery
from kernel.web.routes import Routes

routes = Routes()

MAX_UPLOAD_BYTES = 512 * 1024**2


class UploadRequest(Body):
    """The file that is to be uploaded."""

    size_bytes: int = Field(
        ge=1, le=MAX_UPLOAD_BYTES, description="Its exact size; the link is for no other."
    )


class UploadView(BaseModel):
    """Where and how a file is uploaded."""

    upload_id: Id = Field(description="Names the file in the request for an import.")
    url: str = Field(
        max_length=8_000, description="Send the file to it; it needs no token, and is secret."
    )
    method: Literal["PUT"] = "PUT"
    headers: dict[str, Annotated[str, StringConstraints(max_length=100)]] = Field(
        max_length=10, description="To be sent with the file, as they are."
    )
    expires_at: AwareDatetime = Field(description="Until then the upload must have begun.")

    @classmethod
    def of(cls, upload: Upload) -> "UploadView":
        """The public view of an upload."""
        return cls(
            upload_id=upload.id,
            url=upload.link.url,
            headers={"Content-Length": str(upload.size_bytes)},
            expires_at=upload.link.expires_at,
        )


class ImportRequest(Body):
    """Which upload to import, and as what."""

    upload_id: Id
    record_type: Collection
    match_by: Literal["email"] | None = Field(
        None, description="Find contacts by their e-mail addresses too; for contacts only."
    )
    dry_run: StrictBool = Field(
        False, description="Check and count every line, and change nothing."
    )

    def parameters(self) -> ImportParameters:
        """The parameters of the import."""
        return ImportParameters(**self.model_dump())


class ImportQuery(ListQuery):
    """The caller's own imports by default."""

    all: bool = Field(False, description="Everyone's imports; needs the right to write imports.")


class ImportRunView(ImportRunState):
    """An import with its progress and, when lines were rejected, a link to them."""

    # Progress and links change without a new version.
    versioned: ClassVar[bool] = False

    progress: int | None = Field(None, ge=0, le=100, description="In percent.")
    progress_text: str | None = Field(
        None, max_length=500, description="The current step, for people."
    )
    progress_at: AwareDatetime | None = None
    queue_position: int | None = Field(
        None,
        ge=1,
        le=MOST_PLACES,
        description="While your organisation has as many imports running as it may: the place "
        "among those that wait; 1 starts next.",
    )
    rejected_url: str | None = Field(
        None,
        max_length=8_000,
        description="A link to the rejected lines; needs no token. Each line of the file is a JSON "
        "object with `line`, `problem` and `record`. It is sent with `Content-Encoding: gzip`, "
        "whatever the request accepts; `curl` needs `--compressed`.",
    )
    rejected_expires_at: AwareDatetime | None = Field(
        None, description="Get the import again for a new link."
    )

    @classmethod
    def of(cls, details: ImportDetails) -> "ImportRunView":
        """The public view of an import."""
        seen, link = details
        shown = {name: getattr(seen.run, name) for name in ImportRunState.model_fields}
        shown |= shown_progress(seen, "imports")
        if link:
            shown |= {"rejected_url": link.url, "rejected_expires_at": link.expires_at}
        return cls.model_construct(**shown)


@routes.post("/imports/uploads", status=201)
def begin_upload(request: RequestContext, body: UploadRequest) -> UploadView:
    """Get a link to upload a file for an import.

    The file has one JSON object on each line, as the batch request of its records takes them
    (JSON Lines, UTF-8), and may be compressed with gzip. Lines with external ids are recognised
    when they are imported again.
    """
    return UploadView.of(service().begin_upload(request, body.size_bytes))


@routes.post("/imports", status=202)
def request_import(unit: UnitOfWork, body: ImportRequest) -> ImportRunState:
    """Request an import; Location links to its progress.

    The uploaded file is imported in the background, with the rights that you have now. When
    your organisation has as many imports running as it may, the run waits for its turn; a
    notification says when it has ended. A file can be imported several times: first as a dry
    run.
    """
    return service().request(unit, body.parameters())


@routes.get("/imports")
def list_imports(request: RequestContext, query: ImportQuery) -> Page[ImportRunState]:
    """List imports, yours by default, newest first.

    With `all`, those of everybody, which needs the right to write imports.
    """
    if query.all:
        return service().list_all(request, query.limit, query.cursor)
    return service().list_mine(request, query.limit, query.cursor)


@routes.get("/imports/{import_id}")
def get_import(request: RequestContext, import_id: str) -> ImportRunView:
    """Get an import: its progress, or what it has done.

    While it runs, poll it every few seconds; with `If-None-Match` an unchanged run is a 304. The
    link to the rejected lines is valid for a short time: get the import again for a new one.
    """
    return ImportRunView.of(service().get(request, import_id))


@routes.post("/imports/{import_id}/cancel")
def cancel_import(unit: UnitOfWork, import_id: str) -> ImportRunState:
    """Cancel an import that has not ended; needs no If-Match.

    It stops within seconds. Lines that were imported before stay imported. An import that has
    ended already is a 422.
    """
    return service().cancel(unit, import_id)
