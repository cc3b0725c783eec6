"""A report as a PDF: title and parameters, charts, and the table on numbered pages.

The table stops after MOST_ROWS; the other formats have every row.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    LongTable,
    PageTemplate,
    Paragraph,
    Spacer,
    TableStyle,
)

from reporting.render.cell_format import currency_reader, display_text
from reporting.render.pdf_charts import draw_chart
from reporting.render.pdf_fonts import BOLD, REGULAR, is_plain, markup, printable, register
from reporting.render.provenance import instant, period, position_text
from reporting.report import Column, Kind, Report, Row

MOST_ROWS = 2_000
_INK, _GREY, _ACCENT = HexColor("#1F2A37"), HexColor("#6B7684"), HexColor("#1D5FA8")
_LINE, _PALE, _WHITE = HexColor("#D8DEE6"), HexColor("#F4F7FB"), HexColor("#FFFFFF")
_SIZE, _LEADING, _PADDING = 8.5, 11.5, 5.0
_LONGEST_TEXT = 300
"""The maximum length of a cell, which must fit on a page; names in the CRM have at most 200
characters."""
_NAME_WIDTH = 150.0
"""Names wider than this are wrapped if the page then stays in portrait format."""
_MARGIN = 15 * mm


def render(report: Report, path: Path) -> None:
    """Write the document."""
    register()
    table = _Lines(report)
    page = A4 if table.fits(A4[0] - 2 * _MARGIN) else landscape(A4)
    width, height = page
    frame = Frame(
        _MARGIN, 18 * mm, width - 2 * _MARGIN, height - 34 * mm,
        leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0,
    )  # fmt: skip
    document = BaseDocTemplate(
        str(path),
        pagesize=page,
        title=printable(report.title),
        author=printable(report.tenant),
        subject=f"Period: {period(report)}",
        creator="Zebros CRM",
    )
    document.addPageTemplates(PageTemplate(frames=[frame]))
    document.build(
        list(_story(report, table, width - 2 * _MARGIN)),
        canvasmaker=lambda *args, **options: _NumberedCanvas(report, *args, **options),
    )


def _style(**look: Any) -> ParagraphStyle:
    usual = {"fontName": REGULAR, "fontSize": _SIZE, "leading": _LEADING, "textColor": _INK}
    return ParagraphStyle("", **{**usual, **look})


def _story(report: Report, lines: "_Lines", width: float) -> Iterator[Flowable]:
    yield Paragraph(
        markup(report.title),
        _style(fontName=BOLD, fontSize=20, leading=25, textColor=_INK, spaceAfter=3 * mm),
    )
    small = _style(fontSize=9, leading=13, textColor=_GREY)
    company = f'<font name="{BOLD}" color="#1F2A37">{markup(report.tenant)}</font>'
    yield Paragraph(f"{company} \u00a0·\u00a0 {markup(period(report))}", small)
    if report.currency:
        yield Paragraph(f"Only deals priced in {markup(report.currency)}", small)
    yield Paragraph(f"Time zone: {markup(report.time_zone)}", small)
    if report.as_of:
        yield Paragraph(f"As of {markup(instant(report.as_of, report.time_zone))}", small)
    yield Paragraph(f"Reflects {markup(position_text(report))}", small)
    yield Paragraph(markup(" ".join(_notes(report))), small)
    yield Spacer(0, 5 * mm)
    for chart in report.charts:
        yield draw_chart(chart, width)
        yield Spacer(0, 6 * mm)
    yield lines.table(width)


def _notes(report: Report) -> Iterator[str]:
    if not report.rows:
        yield "There are no deals in this period."
    if report.row_count > MOST_ROWS:
        yield (
            f"These are the first {MOST_ROWS:,} of {report.row_count:,} rows; "
            "the CSV, XLSX and JSON files have all of them."
        )
    yield from report.notes


class _Lines:
    """The table's texts and the widths they need."""

    def __init__(self, report: Report) -> None:
        self._columns = report.columns
        shown = list(islice(report.rows, MOST_ROWS))
        self._first_total = 1 + len(shown)
        self._texts = list(_texts(report, chain(shown, report.totals)))
        self._needed: list[float] = []
        for index, column in enumerate(self._columns):
            longest = max([column.title, *(row[index] for row in self._texts)], key=len)
            widest = max(float(stringWidth(t, BOLD, _SIZE)) for t in (column.title, longest))
            self._needed.append(min(widest + 2 * _PADDING + 1, 2 * _NAME_WIDTH))

    def _is_name(self, index: int) -> bool:
        column = self._columns[index]
        return column.kind is Kind.TEXT and column.key != "currency"

    def fits(self, width: float) -> bool:
        """Whether the table fits into this width when very long names are wrapped."""
        sizes = enumerate(self._needed)
        return sum(min(s, _NAME_WIDTH) if self._is_name(i) else s for i, s in sizes) <= width

    def _widths(self, width: float) -> list[float]:
        """The column widths: those of the longest texts, and narrower names if that is too wide.

        Only names are wrapped, because a number must stay on one line.
        """
        needed = self._needed
        names = [index for index in range(len(needed)) if self._is_name(index)]
        others = sum(needed) - sum(needed[i] for i in names)
        room = max(width - others, 0.25 * width)
        shrink = min((width - room) / others, 1.0) if others else 1.0
        spare = room - sum(needed[i] for i in names)
        airy = min(max(spare / len(needed), 0.0), 22.0)  # some padding for every column
        room -= airy * (len(needed) - len(names))
        share = room / sum(needed[i] for i in names) if names else 1.0
        return [
            size * share if i in names else size * shrink + airy for i, size in enumerate(needed)
        ]

    def table(self, width: float) -> LongTable:
        """The table, with its header on every page."""
        widths, first_total = self._widths(width), self._first_total
        body = [_line([column.title for column in self._columns], widths, BOLD, _WHITE)]
        for number, row in enumerate(self._texts, 1):
            body.append(_line(row, widths, BOLD if number >= first_total else REGULAR, _INK))
        table = LongTable(body, colWidths=widths, repeatRows=1)
        right = [i for i, column in enumerate(self._columns) if _is_number(column)]
        table.setStyle(
            TableStyle(
                [
                    ("FONT", (0, 0), (-1, 0), BOLD, _SIZE, _LEADING),
                    ("FONT", (0, 1), (-1, first_total - 1), REGULAR, _SIZE, _LEADING),
                    ("FONT", (0, first_total), (-1, -1), BOLD, _SIZE, _LEADING),
                    ("TEXTCOLOR", (0, 0), (-1, 0), _WHITE),
                    ("TEXTCOLOR", (0, 1), (-1, -1), _INK),
                    ("BACKGROUND", (0, 0), (-1, 0), _ACCENT),
                    ("VALIGN", (0, 0), (-1, -1), "TOP"),
                    ("ROWBACKGROUNDS", (0, 1), (-1, first_total - 1), [None, _PALE]),
                    ("LINEBELOW", (0, 1), (-1, -1), 0.4, _LINE),
                    ("LINEABOVE", (0, first_total), (-1, first_total), 1, _INK),
                    ("LEFTPADDING", (0, 0), (-1, -1), _PADDING),
                    ("RIGHTPADDING", (0, 0), (-1, -1), _PADDING),
                    ("TOPPADDING", (0, 0), (-1, -1), 2.5),
                    ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
                    *(("ALIGN", (i, 0), (i, -1), "RIGHT") for i in right),
                ]
            )
        )
        return table


def _texts(report: Report, rows: Iterable[Row]) -> Iterator[list[str]]:
    currency_of = currency_reader(report)
    for row in rows:
        cells = zip(row, report.columns, strict=True)
        texts = (display_text(cell, column, currency_of(row)) for cell, column in cells)
        yield [t if len(t) <= _LONGEST_TEXT else f"{t[:_LONGEST_TEXT]}\u2026" for t in texts]


def _line(texts: list[str], widths: list[float], font: str, colour: Color) -> list[str | Paragraph]:
    return [_cell(text, room, font, colour) for text, room in zip(texts, widths, strict=True)]


def _cell(text: str, room: float, font: str, colour: Color) -> str | Paragraph:
    """Plain text if it fits, which is faster to draw; else a paragraph, which wraps."""
    if is_plain(text) and stringWidth(text, font, _SIZE) <= room - 2 * _PADDING:
        return text
    return Paragraph(markup(text), _style(fontName=font, textColor=colour))


def _is_number(column: Column) -> bool:
    return column.kind not in (Kind.TEXT, Kind.DATE)


class _NumberedCanvas(Canvas):  # type: ignore[misc] # reportlab is untyped
    """Draws `page n of m` once m is known."""

    def __init__(self, report: Report, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._report = report
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 - reportlab's name
        """Store the page until the number of pages is known."""
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Number the pages and write them."""
        for number, page in enumerate(self._pages, 1):
            self.__dict__.update(page)
            self._foot(number, len(self._pages))
            super().showPage()
        super().save()

    def _foot(self, number: int, pages: int) -> None:
        width, _ = self._pagesize
        self.setStrokeColor(_LINE)
        self.setLineWidth(0.5)
        self.line(_MARGIN, 13 * mm, width - _MARGIN, 13 * mm)
        self.setFont(REGULAR, 7.5)
        self.setFillColor(_GREY)
        self.drawString(_MARGIN, 9 * mm, f"Zebros CRM  ·  {printable(self._report.title)}")
        self.drawRightString(width - _MARGIN, 9 * mm, f"Page {number} of {pages}")
