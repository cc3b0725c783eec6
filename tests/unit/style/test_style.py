"""Rules of style that a machine can check (CONTRIBUTING.md)."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.drift import ROOT

SETTINGS = ROOT / "services" / "kernel" / "runtime" / "settings.py"
MAX_LINES = 400
MAX_SUMMARY = 60
IMPERATIVES = {
    *(
        "Add",
        "Archive",
        "Assign",
        "Cancel",
        "Change",
        "Count",
        "Create",
        "Get",
        "Give",
        "List",
        "Mark",
        "Move",
    ),
    *("Release", "Reopen", "Request", "Restore"),
}
OPENAPI = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
PRIVATE = re.compile(
    r"(?<![a-z])(told|said|born|held|shelf|kin|facts?|(?<!dead[-_])letters?)(?![a-z])"
)
"""Words that only the authors would understand; `dead-letter queue` is a term of AWS."""
ALLOWED = {
    "CHANGELOG.md": {"fact", "facts", "said"},  # earlier names
    "services/kernel/domain/folding.py": {"letter", "letters"},  # of the Latin alphabet
    "services/customers/service/names.py": {"letter"},  # a letter or a digit
    "zebros/operations/tenants.py": {"letters"},  # of the Latin alphabet
    "zebros/emulator/moves.py": {"letter"},  # a message of AWS: "a Dead Letter Queue"
}


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


SERVICES = modules("services")


@pytest.mark.parametrize("path", SERVICES, ids=name)
def test_only_settings_read_the_environment(path: Path) -> None:
    if path == SETTINGS:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    assert not {"environ", "getenv"} & set(found), "declare it in settings.py"


@pytest.mark.parametrize("path", modules("services", "zebros", "tools", "worker"), ids=name)
def test_a_module_is_short_enough_to_be_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def texts() -> Iterator[Path]:
    """Code, templates and documents; packing dictionaries are data."""
    for folder in ("services", "zebros", "tools"):
        files = (path for path in (ROOT / folder).rglob("*") if path.is_file())
        yield from (
            path for path in files if not path.name.endswith((".pyc", ".txt", "-lock.json"))
        )
    yield from (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    yield from (ROOT / "docs" / file for file in ("openapi.json", "asyncapi.json"))


def private_words(text: str) -> set[str]:
    """The private words in a text, also as parts of names: `OutboxLetter`, `is_told`."""
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", text).lower()
    return {found[1] for found in PRIVATE.finditer(words)}


def test_no_private_word_is_used() -> None:
    found = {name(path): private_words(path.read_text(encoding="utf-8")) for path in texts()}
    wrong = {file: words - ALLOWED.get(file, set()) for file, words in found.items()}
    assert {file: words for file, words in wrong.items() if words} == {}


def test_no_text_is_empty() -> None:
    empty = [name(path) for path in texts() if not path.read_text(encoding="utf-8").strip()]
    assert [one for one in empty if not one.endswith("__init__.py")] == []


def test_private_words_are_found_in_prose_and_in_names() -> None:
    text = "An event is told; OutboxLetter, is_held, a dead letter. A fact."
    assert private_words(text) == {"told", "letter", "held", "fact"}
    assert (
        private_words("dead-letter queue, DeadLetters, dead_letters, an artefact, withheld")
        == set()
    )


def test_problems_are_distinguished_by_class_and_not_by_slug() -> None:
    compared = re.compile(r"\.slug\s*(==|!=|in\b|not in\b)")
    assert [name(path) for path in SERVICES if compared.search(path.read_text("utf-8"))] == []


OPERATIONS = [one for path in OPENAPI["paths"].values() for one in path.values()]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one["operationId"])
def test_a_summary_is_a_short_imperative(operation: Any) -> None:
    summary = operation["summary"]
    assert len(summary) < MAX_SUMMARY
    assert summary.endswith(".")
    assert summary.split()[0] in IMPERATIVES


def test_statuses_are_spelt_one_way() -> None:
    def found(schema: Any) -> Iterator[str]:
        if isinstance(schema, dict):
            for key, value in schema.items():
                if key == "enum" and isinstance(value, list):
                    yield from (one for one in value if isinstance(one, str))
                yield from found(value)
        elif isinstance(schema, list):
            for one in schema:
                yield from found(one)

    closed_lists = {"currency", "country"}  # ISO codes are capitals
    schemas = {
        title: schema
        for title, schema in OPENAPI["components"]["schemas"].items()
        if title.lower() not in closed_lists
    }
    words = {word for word in found(schemas) if not re.fullmatch(r"[A-Z]{2,3}", word)}
    assert [word for word in sorted(words) if not re.fullmatch(r"[a-z][a-z_]*", word)] == []


def test_the_terms_of_the_api_are_in_the_glossary() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").lower()
    defined = re.findall(r"^\| ([^|]+) \|", glossary, re.M)
    terms = [term.strip() for line in defined for term in line.split(",")]
    terms = [re.sub(r" \(.*\)$", "", term) for term in terms if term not in ("term", "---")]
    collections = {path.strip("/").split("/")[0] for path in OPENAPI["paths"]}
    singular = {
        name: {"people": "person"}.get(name) or re.sub(r"ies$", "y", name).removesuffix("s")
        for name in collections
    }
    assert set(singular.values()) - set(terms) == set()
    assert len(terms) == len(set(terms)), "every term is defined once"
