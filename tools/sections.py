"""Generated parts of hand-written pages: `<!-- name -->` to `<!-- end of name -->`."""

from collections.abc import Iterable


def section(page: str, name: str) -> list[str]:
    """The lines of a part. Raises ValueError when the page has not exactly one of that name."""
    return _split(page, name)[1].splitlines()


def with_section(page: str, name: str, lines: Iterable[str]) -> str:
    """The page with other lines in a part. Raises ValueError as `section` does."""
    before, _, after = _split(page, name)
    return f"{before}{''.join(f'{line}\n' for line in lines)}{after}"


def cells(line: str) -> list[str]:
    """The cells of a row of a table, without the spaces around them."""
    return [cell.strip() for cell in line.strip("|").split("|")]


def _split(page: str, name: str) -> tuple[str, str, str]:
    first, last = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    if page.count(first) != 1 or page.count(last) != 1:
        raise ValueError(f"the page must have one {first.strip()} and one {last}")
    start = page.index(first) + len(first)
    end = page.index(last)
    if end < start:
        raise ValueError(f"{last} is in front of {first.strip()}")
    return page[:start], page[start:end], page[end:]
