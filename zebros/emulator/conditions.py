"""Conditions that read a pseudo parameter, such as `!Equals [!Ref AWS::AccountId, "000000000000"]`.

Stock fault: the evaluator of conditions knows template parameters alone. `Ref: AWS::AccountId`
stays that very text, so "are we in the cloud?" is answered yes on a laptop and the cloud-only
resources of a template are demanded from an emulator that lacks them. Functions such as
`Fn::FindInMap` are not evaluated inside a condition either.

Mended: pseudo parameters are parameters here too, and mappings are looked up.
"""

from typing import Any

from zebros.emulator.seams import module, replace

_LOOKUPS = frozenset({"Fn::FindInMap", "Fn::Join", "Fn::Sub", "Fn::Split"})


def apply() -> None:
    """Let conditions see pseudo parameters and mappings."""
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
        return stock(read, known)  # type: ignore[no-any-return]

    stock = replace(engine, "_evaluate_conditions", evaluate)
