"""What resolving has used of the templates, to find what no configuration needs."""

from dataclasses import dataclass, field
from typing import Any

from zebros.cloudformation.load import Template

type Name = tuple[str, ...]


@dataclass
class Usage:
    """Names that were declared and used by template, collected over several `resolve()` calls."""

    declared: set[Name] = field(default_factory=set)
    """(template, section, name), and for a mapping (template, "Mappings", map, key, figure)."""
    used: set[Name] = field(default_factory=set)
    conditions: dict[Name, set[bool]] = field(default_factory=dict)
    """The values that each condition had."""
    known: dict[str, Any] = field(default_factory=dict, repr=False)
    """The nested stacks whose use is in here."""

    def declare(self, template: str, content: Template) -> None:
        """Add everything that a template declares."""
        for section in ("Parameters", "Conditions"):
            self.declared |= {(template, section, name) for name in content.get(section, {})}
        for name, keys in content.get("Mappings", {}).items():
            for key, figures in keys.items():
                self.declared |= {(template, "Mappings", name, key, one) for one in figures}

    def use(self, *name: str) -> None:
        """A parameter, condition or figure was used."""
        self.used.add(name)

    def decide(self, name: Name, value: bool) -> None:
        """A condition had this value."""
        self.conditions.setdefault(name, set()).add(value)

    def unused(self) -> list[str]:
        """What no configuration used, sorted."""
        return sorted(" ".join(name) for name in self.declared - self.used)

    def constant(self) -> list[str]:
        """Conditions that had the same value in all configurations, sorted."""
        return sorted(
            f"{' '.join(name)} is always {next(iter(values))}".replace("True", "true").replace(
                "False", "false"
            )
            for name, values in self.conditions.items()
            if len(values) == 1
        )
