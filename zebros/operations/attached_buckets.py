"""Buckets that a new stack is to use: how they are found, and what can be switched on."""

import re
from typing import Any

_HOME = "us-east-1"
"""The region that S3 names by no location."""
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


class Buckets:
    """Finds buckets of an earlier stack, and switches on what a new one needs, unless `dry_run`."""

    def __init__(self, s3: Any, region: str, *, dry_run: bool = False) -> None:
        self._s3, self._region, self._dry_run = s3, region, dry_run
        self.changes: list[str] = []
        self.problems: list[str] = []

    def attach(self, stack: str, logical_id: str, name: str | None = None) -> str:
        """The bucket's name; empty when it cannot be used.

        Without `name` it is found by the name that CloudFormation gives a bucket.
        """
        name = name or self._find(stack, logical_id)
        if not name or not self._is_here(name):
            return ""
        self._complete(name)
        return name

    def _find(self, stack: str, logical_id: str) -> str:
        """The bucket `<stack>-shared-…-<logical id>-…`, in lower case."""
        pattern = re.compile(
            rf"{re.escape(stack.lower())}-shared-[a-z0-9-]+-{logical_id.lower()}-[a-z0-9]+"
        )
        buckets = [one["Name"] for one in self._s3.list_buckets()["Buckets"]]
        found = [one for one in buckets if pattern.fullmatch(one)]
        if len(found) == 1:
            return str(found[0])
        option = f"--{logical_id.removesuffix('Bucket').lower()}-bucket"
        if found:
            self.problems.append(
                f"Several buckets can be the stack's {logical_id}: {', '.join(sorted(found))}. "
                f"Name one with {option}."
            )
        else:
            self.problems.append(
                f"No bucket's name is that of the stack's {logical_id}: name it with {option}, or "
                f"let the stack make it, empty, with --new {logical_id}."
            )
        return ""

    def _is_here(self, name: str) -> bool:
        """Whether the bucket exists, is accessible, and is in the stack's region."""
        from botocore.exceptions import ClientError

        try:
            place = self._s3.get_bucket_location(Bucket=name)["LocationConstraint"] or _HOME
        except ClientError as error:
            reason = error.response["Error"]["Code"]
            self.problems.append(f"The bucket {name} cannot be read: {reason}.")
            return False
        if place != self._region:
            self.problems.append(f"The bucket {name} is in {place}, not in {self._region}.")
            return False
        return True

    def _complete(self, name: str) -> None:
        if self._s3.get_bucket_versioning(Bucket=name).get("Status") != "Enabled":
            self._change(
                name,
                "versions of objects",
                "put_bucket_versioning",
                VersioningConfiguration={"Status": "Enabled"},
            )
        if not self._is_encrypted(name):
            rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
            self._change(
                name,
                "encryption",
                "put_bucket_encryption",
                ServerSideEncryptionConfiguration={"Rules": [rule]},
            )
        if not self._is_private(name):
            self._change(
                name,
                "block of public access",
                "put_public_access_block",
                PublicAccessBlockConfiguration=dict.fromkeys(_BLOCKS, True),
            )

    def _is_encrypted(self, name: str) -> bool:
        answer = self._setting("get_bucket_encryption", name)
        return bool(answer.get("ServerSideEncryptionConfiguration", {}).get("Rules"))

    def _is_private(self, name: str) -> bool:
        answer = self._setting("get_public_access_block", name)
        blocks = answer.get("PublicAccessBlockConfiguration", {})
        return all(blocks.get(one) for one in _BLOCKS)

    def _setting(self, call: str, name: str) -> dict[str, Any]:
        """What a bucket is configured with; S3 answers a missing configuration with 404."""
        from botocore.exceptions import ClientError

        try:
            answer: dict[str, Any] = getattr(self._s3, call)(Bucket=name)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return {}
            raise
        return answer

    def _change(self, name: str, what: str, call: str, **change: Any) -> None:
        self.changes.append(f"bucket {name}: {what}")
        if not self._dry_run:
            getattr(self._s3, call)(Bucket=name, **change)
