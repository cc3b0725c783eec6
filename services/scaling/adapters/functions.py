"""Settings of functions: memory and reserved concurrency.

API Gateway calls the alias `live`, which leads to a version, so new memory means a new version of
the same code. Source: "Lambda function versions" of the Lambda developer guide; a call with a
RevisionId fails when the function or the alias was changed meanwhile.
"""

import time
from typing import Any

from botocore.exceptions import ClientError

from scaling.events import Setting
from scaling.model.changing import SettingBusy, SettingChanged
from scaling.model.inventory import Resource
from scaling.model.readings import Current
from scaling.model.series import ALIAS

_POLLS, _POLL_S = 20, 0.5
_CHANGED = {"PreconditionFailedException", "ResourceConflictException"}


class FunctionMemory:
    """MB of the version that the alias leads to."""

    def __init__(self, functions: Any) -> None:
        self._functions = functions

    def setting(self, resource: Resource) -> Current | None:
        """The memory now."""
        live = self._configuration(resource, ALIAS)
        return Current(live["MemorySize"], resource.deployed[Setting.MEMORY])

    def apply(self, resource: Resource, before: int, after: int) -> None:
        """Publish the live version's code with other memory, and move the alias to it.

        Raises SettingChanged and SettingBusy.
        """
        alias = self._functions.get_alias(FunctionName=resource.id, Name=ALIAS)
        if alias.get("RoutingConfig", {}).get("AdditionalVersionWeights"):
            raise SettingBusy(f"A deployment moves the alias of {resource.name} just now.")
        live = self._configuration(resource, ALIAS)
        if live["MemorySize"] == after:
            return
        latest = self._configuration(resource)
        if live["MemorySize"] != before:
            raise _changed(resource, live["MemorySize"], before)
        if latest["CodeSha256"] != live["CodeSha256"]:
            raise SettingChanged(
                f"The latest code of {resource.name} is not live, so it gets no other memory: it"
                " would become live with it."
            )
        try:
            if latest["MemorySize"] != after:
                self._functions.update_function_configuration(
                    FunctionName=resource.id, MemorySize=after, RevisionId=latest["RevisionId"]
                )
                latest = self._settled(resource)
            version = self._functions.publish_version(
                FunctionName=resource.id, CodeSha256=latest["CodeSha256"]
            )
            self._functions.update_alias(
                FunctionName=resource.id,
                Name=ALIAS,
                FunctionVersion=version["Version"],
                RevisionId=alias["RevisionId"],
            )
        except ClientError as fault:
            if fault.response["Error"]["Code"] in _CHANGED:
                raise SettingBusy(f"{resource.name} is being changed by somebody else.") from fault
            raise

    def _settled(self, resource: Resource) -> dict[str, Any]:
        for _ in range(_POLLS):
            latest = self._configuration(resource)
            if latest.get("LastUpdateStatus", "Successful") == "Successful":
                return latest
            time.sleep(_POLL_S)
        raise SettingBusy(f"The update of {resource.name} takes longer than usual.")

    def _configuration(self, resource: Resource, qualifier: str = "$LATEST") -> dict[str, Any]:
        found: dict[str, Any] = self._functions.get_function_configuration(
            FunctionName=resource.id, Qualifier=qualifier
        )
        return found


class FunctionConcurrency:
    """Reserved concurrent executions."""

    def __init__(self, functions: Any) -> None:
        self._functions = functions

    def setting(self, resource: Resource) -> Current | None:
        """The reserved concurrency now; None when nothing is reserved."""
        value = self._value(resource)
        return None if value is None else Current(value, resource.deployed[Setting.CONCURRENCY])

    def apply(self, resource: Resource, before: int, after: int) -> None:
        """Reserve another number. Lambda has no condition for it, so it is read just before."""
        value = self._value(resource)
        if value == after:
            return
        if value != before:
            raise _changed(resource, value, before)
        self._functions.put_function_concurrency(
            FunctionName=resource.id, ReservedConcurrentExecutions=after
        )

    def _value(self, resource: Resource) -> int | None:
        found = self._functions.get_function_concurrency(FunctionName=resource.id)
        value: int | None = found.get("ReservedConcurrentExecutions")
        return value


def _changed(resource: Resource, value: int | None, before: int) -> SettingChanged:
    now = "nothing" if value is None else value
    return SettingChanged(
        f"{resource.name} has {now} instead of {before}: somebody else has changed it, and it"
        " stays as it is."
    )
