"""Conditions that read a pseudo parameter, such as `!Equals [!Ref AWS::AccountId, "000000000000"]`.

Without this patch: conditions know template parameters only. `Ref: AWS::AccountId` is not resolved,
so the condition IsCloud is true on a laptop, and cloud-only resources are created that the emulator
does not have. Functions such as `Fn::FindInMap` are not evaluated inside a condition either.

Fix: pseudo parameters are resolved like parameters, and mappings are looked up.
"""

from typing import Any

from zebros.emulator.patching import module, replace

_LOOKUPS = frozenset({"Fn::FindInMap", "Fn::Join", "Fn::Sub", "Fn::Split"})


def apply() -> None:
    """Resolve pseudo parameters and mappings in conditions."""
    engine, scope = module("services.cloudformation.engine"), module("core.responses")

    def evaluate(template: dict[str, Any], params: dict[str, Any]) -> dict[str, bool]:
        pseudo = {
            "AWS::AccountId": scope.get_account_id(),
            "AWS::Region": scope.get_region(),
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
        }
        known = {name: {"Value": text, "Type": "String"} for name, text in pseudo.items()} | params

        def looked_up(node: Any) -> Any:
            if isinstance(node, list):
                return [looked_up(each) for each in node]
            if not isinstance(node, dict):
                return node
            if len(node) == 1 and next(iter(node)) in _LOOKUPS:
                return engine._resolve_refs(
                    node, {}, known, {}, template.get("Mappings") or {}, "", ""
                )
            return {key: looked_up(value) for key, value in node.items()}

        read = {**template, "Conditions": looked_up(template.get("Conditions") or {})}
        return original(read, known)  # type: ignore[no-any-return]

    original = replace(engine, "_evaluate_conditions", evaluate)
