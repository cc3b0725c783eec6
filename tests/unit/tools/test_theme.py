"""The sign-in theme can be read by people who see little (WCAG 2.2 AA)."""

import re

import pytest

from tools.keycloak import THEMES

STYLE = (THEMES / "zebros" / "login" / "resources" / "css" / "zebros.css").read_text("utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--zebros-([\w-]+): (#[0-9a-f]{6});", block))
    for block in re.findall(r"^:root[^{]*\{([^}]*)\}", STYLE, re.M)
)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, from 1 to 21 (WCAG 2.2, relative luminance)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_fields_stand_out_from_their_background(colours: dict[str, str]) -> None:
    text = [("ink", "paper"), ("ink", "ground"), ("accent", "paper"), ("accent-strong", "paper")]
    for front, back in text:
        assert contrast(colours[front], colours[back]) >= 4.5, f"{front} on {back}"
    assert contrast(colours["border"], colours["paper"]) >= 3, "borders of fields"
    assert contrast(colours["accent"], colours["ground"]) >= 3, "the focus"


def test_the_theme_extends_keycloak_s_and_loads_nothing_from_elsewhere() -> None:
    properties = (THEMES / "zebros" / "login" / "theme.properties").read_text("utf-8")
    assert "parent=keycloak.v2" in properties
    assert "styles=css/styles.css css/zebros.css" in properties
    assert "url(" not in STYLE
    assert ":focus-visible" in STYLE
    assert "prefers-reduced-motion" in STYLE
