"""Charts for the PDF: bar charts, each bar with its value.

Groups with a natural order (stages, months) are vertical bars from left to right. All others are
horizontal bars, the largest on top, with more room for long names.
"""

from decimal import Decimal
from typing import Any

from reportlab.graphics.charts.barcharts import HorizontalBarChart, VerticalBarChart
from reportlab.graphics.shapes import Drawing, Rect, String
from reportlab.lib.colors import Color, HexColor
from reportlab.pdfbase.pdfmetrics import stringWidth

from reporting.render.cell_format import amount_of
from reporting.render.pdf_fonts import BOLD, REGULAR, one_font, printable
from reporting.report import Chart, Kind

_INK, _GREY, _LINE = HexColor("#1F2A37"), HexColor("#6B7684"), HexColor("#D8DEE6")
COLOURS = (HexColor("#1D5FA8"), HexColor("#9DBEE3"), HexColor("#C9CED6"))
_LABEL_SIZE, _VALUE_SIZE = 8, 7.5
_TITLE_HEIGHT, _REST_HEIGHT = 32.0, 14.0
_NAMES_SHARE = 0.3
"""The part of the width that the names of horizontal bars may take."""


_LONGEST_NAME = 200


def drawing(chart: Chart, width: float) -> Drawing:
    """Draw the chart, `width` points wide and as high as needed. Fonts must be registered."""
    values = [[_plotted(value, chart) for value in series.values] for series in chart.series]
    colours = COLOURS[: len(values)]
    if chart.in_order:
        bars = _vertical_bars(chart, width)
    else:  # reportlab draws the first bar and series at the bottom
        bars = _horizontal_bars(chart, width)
        values, colours = [series[::-1] for series in values[::-1]], colours[::-1]
    if chart.rest:
        bars.y += _REST_HEIGHT
    height = bars.y + bars.height + _TITLE_HEIGHT
    picture = Drawing(width, height)
    _title(picture, chart, width, height)
    _format_bars(bars, chart.unit, values, colours)
    picture.add(bars)
    if chart.rest:
        label, rest = chart.rest
        texts = [compact(_plotted(value, chart), chart.unit) for value in rest]
        look = {"fontName": REGULAR, "fontSize": _LABEL_SIZE, "fillColor": _GREY}
        picture.add(String(bars.x, 2, f"and {label}: {' / '.join(texts)}", **look))
    return picture


def _plotted(value: int | Decimal, chart: Chart) -> float:
    if chart.unit is Kind.MONEY:
        return float(amount_of(int(value), chart.currency))
    return float(value * 100 if chart.unit is Kind.PERCENT else value)


def _title(picture: Drawing, chart: Chart, width: float, height: float) -> None:
    title = printable(chart.title)
    picture.add(String(0, height - 10, title, fontName=BOLD, fontSize=10.5, fillColor=_INK))
    if chart.currency:
        start = stringWidth(title, BOLD, 10.5) + 6
        picture.add(
            String(
                start, height - 10, chart.currency, fontName=REGULAR, fontSize=9, fillColor=_GREY
            )
        )
    if len(chart.series) < 2:
        return
    right = width
    for series, colour in reversed(list(zip(chart.series, COLOURS, strict=False))):
        right -= stringWidth(series.title, REGULAR, 8)
        look = {"fontName": REGULAR, "fontSize": 8, "fillColor": _GREY}
        picture.add(String(right, height - 10, series.title, **look))
        right -= 11
        picture.add(Rect(right, height - 10, 7, 7, fillColor=colour, strokeColor=None))
        right -= 12


def _horizontal_bars(chart: Chart, width: float) -> HorizontalBarChart:
    """Horizontal bars; the first label on top."""
    names = [_shortened(label, width * _NAMES_SHARE) for label in reversed(chart.labels)]
    bars = HorizontalBarChart()
    bars.x = max((_width(name) for name in names), default=0) + 8
    bars.width = width - bars.x - 44  # room for the value beside the longest bar
    bars.height = len(names) * (9 + 8.0 * len(chart.series))
    bars.y = 2
    bars.categoryAxis.categoryNames = names
    bars.categoryAxis.labels.boxAnchor = "e"
    bars.categoryAxis.labels.dx = -5
    bars.barLabels.boxAnchor = "w"
    bars.barLabels.dx = 3
    return bars


def _vertical_bars(chart: Chart, width: float) -> VerticalBarChart:
    """Vertical bars; the first label on the left."""
    room = min(width / max(len(chart.labels), 1), 110.0)
    names = [_shortened(label, max(room, 44) - 6) for label in chart.labels]
    tilted = any(_width(name) > room - 4 for name in names)
    bars = VerticalBarChart()
    bars.x, bars.width = 0, min(width, 110 * len(chart.labels))
    bars.height = 120
    bars.y = 40 if tilted else 16
    bars.categoryAxis.categoryNames = names
    bars.categoryAxis.labels.boxAnchor = "ne" if tilted else "n"
    bars.categoryAxis.labels.angle = 35 if tilted else 0
    bars.categoryAxis.labels.dy = -4
    bars.barLabels.boxAnchor = "s"
    bars.barLabels.dy = 2
    return bars


def _format_bars(
    bars: Any, unit: Kind, values: list[list[float]], colours: tuple[Color, ...]
) -> None:
    """Apply the common style to both kinds of bars."""
    every = [value for series in values for value in series]
    bars.data = values
    bars.valueAxis.valueMin = min(0.0, *every, 0.0)
    bars.valueAxis.valueMax = max(0.0, *every, 0.0) * 1.02 or 1.0
    bars.valueAxis.visible = 0
    bars.categoryAxis.visibleTicks = 0
    bars.categoryAxis.strokeColor = _LINE
    bars.groupSpacing = 8
    bars.barSpacing = 0.5
    bars.barWidth = 10
    bars.categoryAxis.labels.fontName = REGULAR
    bars.categoryAxis.labels.fontSize = _LABEL_SIZE
    bars.categoryAxis.labels.fillColor = _INK
    for index, name in enumerate(bars.categoryAxis.categoryNames):
        bars.categoryAxis.labels[index].fontName = one_font(name, REGULAR)
    bars.barLabels.fontName, bars.barLabels.fontSize = REGULAR, _VALUE_SIZE
    bars.barLabels.fillColor = _GREY
    texts = [[compact(value, unit) for value in series] for series in values]
    bars.barLabelArray = texts
    bars.barLabelFormat = ["values"] * len(values)
    for index, colour in enumerate(colours):
        bars.bars[index].fillColor = colour
        bars.bars[index].strokeColor = None
    if isinstance(bars, VerticalBarChart) and len(values) > 1:
        room = bars.width / max(len(values[0]), 1) / len(values)
        widest = max((_width(text) for series in texts for text in series), default=0)
        if widest > 0.7 * room:  # texts would overlap, so only the first series has them
            bars.barLabelFormat = ["values"] + [None] * (len(values) - 1)


def compact(value: float, unit: Kind) -> str:
    """A rounded value: `63.2 %`, `1.24M`, `950`; the table has the exact one."""
    if unit is Kind.PERCENT:
        return f"{value:.1f} %"
    for size, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "K")):
        if abs(value) >= size:
            scaled = value / (1e3 if suffix == "K" else size)
            return f"{scaled:.3g}{suffix}" if abs(scaled) < 1000 else f"{scaled:,.0f}{suffix}"
    return f"{value:,.0f}"


def _width(name: str) -> float:
    return float(stringWidth(name, one_font(name, REGULAR), _LABEL_SIZE))


def _shortened(label: str, room: float) -> str:
    """The label, cut to the available width."""
    name = printable(label[:_LONGEST_NAME])
    if _width(name) <= room:
        return name
    while name and _width(name + "\u2026") > room:
        name = name[:-1]
    return name.rstrip() + "\u2026"
