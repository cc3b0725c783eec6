"""The file formats of reports, and the module that writes each."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from reporting.parameters import FileFormat
from reporting.report import Report


@dataclass(frozen=True, slots=True)
class FileKind:
    """The file extension and the media type of a format."""

    extension: str
    content_type: str


FILE_KINDS: dict[FileFormat, FileKind] = {
    "csv": FileKind(".csv", "text/csv; charset=utf-8"),
    "xlsx": FileKind(".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "pdf": FileKind(".pdf", "application/pdf"),
    "json": FileKind(".json", "application/json"),
}


def render(report: Report, file_format: FileFormat, path: Path) -> None:
    """Write the report to `path`; only the library of this format is loaded."""
    write: Callable[[Report, Path], None] = import_module(
        f"reporting.render.{file_format}_file"
    ).render
    write(report, path)
