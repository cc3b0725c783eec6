"""What the flows measured, told when they are over."""

FIGURES: list[str] = []


def tell(figure: str) -> None:
    """Have a figure told at the end of the run."""
    FIGURES.append(figure)
