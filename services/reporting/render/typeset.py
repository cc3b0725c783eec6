"""Typesets a report: `python -m reporting.render.typeset TARGET`, the content on standard input.

A process of its own, because Typst keeps what it has laid out: each report would take more memory
from a worker.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import typst

FONTS = ("manimgx_fonts", "noto_cjk_sans_otc")
"""The packages with the fonts; each has its licence, the SIL Open Font License 1.1, beside it."""
_TEMPLATE = Path(__file__).with_name("report.typ")


def font_folders() -> list[str]:
    """The folders of the fonts. Raises LookupError when a package is missing."""
    folders = []
    for package in FONTS:
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise LookupError(f"the package {package} is missing")
        folders += list(spec.submodule_search_locations)
    return folders


def typeset(content: str, target: Path) -> list[str]:
    """Write the document; returns Typst's warnings. `content` is what pdf_content.py makes."""
    compiler = typst.Compiler(
        _TEMPLATE.read_bytes(),
        font_paths=typst.Fonts(
            include_system_fonts=False, include_embedded_fonts=False, font_paths=font_folders()
        ),
        sys_inputs={"report": content},
    )
    _, warnings = compiler.compile_with_warnings(output=str(target))
    return [warning.message for warning in warnings]


if __name__ == "__main__":
    typeset(sys.stdin.read(), Path(sys.argv[1]))
