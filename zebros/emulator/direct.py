"""The straight way to the busiest services: DynamoDB, EventBridge and SQS.

Stock cost, not fault: every request is offered to some thirty data planes before the service
that its X-Amz-Target names is asked.

Mended: these three are asked at once, with the account and the region of the request's signature.
"""

from email.utils import formatdate

from zebros.emulator.seams import module
from zebros.emulator.server import Headers, Request, Respond
from zebros.emulator.snapshot import Snapshots

_SERVICES = {
    b"DynamoDB_20120810": ("dynamodb", "services.dynamodb"),
    b"AWSEvents": ("events", "services.eventbridge"),
    b"AmazonSQS": ("sqs", "services.sqs"),
}


def answers(snapshots: Snapshots) -> Respond:
    """What answers a request that has an X-Amz-Target; None for services not known here."""
    responses, router = module("core.responses"), module("core.router")
    services = {key: (name, module(path)) for key, (name, path) in _SERVICES.items()}

    async def answer(request: Request) -> tuple[int, Headers, bytes] | None:
        found = services.get(request.operation.partition(b".")[0])
        if found is None:
            return None
        name, service = found
        headers = {key.decode(): value.decode("latin-1") for key, value in request.headers}
        responses.set_request_account_id(router.extract_access_key_id(headers))
        responses.set_request_region(router.extract_region(headers))
        snapshots.touch()
        status, said, body = await service.handle_request("POST", "/", headers, request.body, {})
        responses.fix_error_content_type(name, status, said)
        responses.fix_success_content_type(name, status, said)
        content = body if isinstance(body, bytes) else body.encode()
        lines = [(key.encode(), str(value).encode("latin-1")) for key, value in said.items()]
        lines += [
            (b"x-amzn-requestid", responses.new_uuid().encode()),
            (b"content-length", b"%d" % len(content)),
            (b"date", formatdate(usegmt=True).encode()),
        ]
        return status, lines, content

    return answer
