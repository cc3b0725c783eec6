"""Generated parts of pages."""

import pytest

from tools.sections import cells, section, with_section

PAGE = "before\n<!-- sizes -->\n| a | b |\n<!-- end of sizes -->\nafter\n"


def test_a_part_is_read_and_replaced_and_the_rest_stays() -> None:
    assert section(PAGE, "sizes") == ["| a | b |"]
    changed = with_section(PAGE, "sizes", ["one", "two"])
    assert changed == "before\n<!-- sizes -->\none\ntwo\n<!-- end of sizes -->\nafter\n"
    assert with_section(changed, "sizes", section(PAGE, "sizes")) == PAGE


def test_cells_have_no_spaces_around_them() -> None:
    assert cells("| a  | b c |") == ["a", "b c"]


@pytest.mark.parametrize(
    "page",
    [
        "no part",
        PAGE + PAGE,
        "<!-- sizes -->\nno end",
        "<!-- end of sizes -->\n<!-- sizes -->\n",
    ],
)
def test_a_page_without_exactly_one_part_of_the_name_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="sizes"):
        section(page, "sizes")
