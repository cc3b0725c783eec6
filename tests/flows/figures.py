"""The figures that the flows measure, printed at the end."""

FIGURES: list[str] = []


def record_figure(figure: str) -> None:
    """Print a figure at the end of the run."""
    FIGURES.append(figure)
