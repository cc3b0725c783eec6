"""APIs, WebSockets and objects through the platform's server."""

import gzip
import http.client
import json
import socket
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from zebros.client.api import Client, StaticToken

FIXTURES = Path("tests/fixtures/platform")
NESTED = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Inner:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: "def handler(event, context): return 'inner'"
Outputs:
  Name: {Value: !Ref Inner}
"""


@pytest.fixture(scope="module")
def apis(platform: Any) -> dict[str, str]:
    outputs: dict[str, str] = platform.deploy("apis", (FIXTURES / "apis.yaml").read_text())
    return outputs


def get(platform: Any, apis: dict[str, str], path: str, **headers: str) -> httpx.Response:
    url = f"{platform.endpoint}/restapis/{apis['Api']}/v1/_user_request_{path}"
    return httpx.get(url, headers=headers, trust_env=False, timeout=30)


def test_an_api_answers_authorized_callers_only(platform: Any, apis: Any) -> None:
    good = get(platform, apis, "/things/a%20b", Authorization="Bearer good")
    assert (good.status_code, good.headers["ETag"]) == (200, '"1"')
    assert good.json() == {"thing": "a b", "body": None, "tenant": "acme"}
    assert get(platform, apis, "/things/x", Authorization="Bearer bad").status_code == 401
    assert get(platform, apis, "/things/x").status_code == 401
    assert get(platform, apis, "/nothing", Authorization="good").status_code == 403
    # This API does not say what it answers when its function fails; ours does (gateways.py).
    assert get(platform, apis, "/things/broken", Authorization="good").status_code == 500


def test_an_api_with_usage_plans_needs_no_key_here(platform: Any) -> None:
    plans: dict[str, str] = platform.deploy("plans", (FIXTURES / "plans.yaml").read_text())
    good = get(platform, plans, "/things", Authorization="Bearer good")
    assert (good.status_code, good.text) == (200, "acme")
    assert get(platform, plans, "/things").status_code == 401


def socket_url(emulator: Any, apis: dict[str, str], token: str) -> str:
    host = emulator.endpoint.removeprefix("http://")
    return f"ws://{host}/_aws/execute-api/{apis['Socket']}/live?token={token}"


def rejected(emulator: Any, apis: dict[str, str]) -> int:
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(socket_url(emulator, apis, "bad"), proxy=None),
    ):
        pass
    return caught.value.response.status_code


def test_a_rejected_handshake_is_a_server_error_when_unpatched(unpatched: Any) -> None:
    # The unpatched emulator has everything this template needs.
    apis = unpatched.deploy("apis", (FIXTURES / "apis.yaml").read_text())
    assert rejected(unpatched, apis) == 500


def test_a_rejected_handshake_is_a_401(platform: Any, apis: Any) -> None:
    assert rejected(platform, apis) == 401


def test_messages_are_pushed_to_a_connection(platform: Any, apis: Any) -> None:
    database = platform.client("dynamodb")
    with connect(socket_url(platform, apis, "good"), proxy=None) as connected:
        (item,) = database.scan(TableName=apis["Table"])["Items"]
        path = f"{platform.endpoint}/_aws/execute-api/{apis['Socket']}/live"
        for endpoint in (path, platform.endpoint):
            management = platform.client("apigatewaymanagementapi", endpoint)
            management.post_to_connection(ConnectionId=item["pk"]["S"], Data=b'{"n": 1}')
            assert json.loads(connected.recv(timeout=5)) == {"n": 1}
    gone = platform.client("apigatewaymanagementapi")

    def is_gone() -> bool:
        try:
            gone.post_to_connection(ConnectionId=item["pk"]["S"], Data=b"x")
        except gone.exceptions.GoneException:
            return True
        return False

    platform.until(is_gone)


def test_objects_are_downloaded_by_presigned_links_until_they_expire(platform: Any) -> None:
    objects = platform.client("s3")
    objects.create_bucket(Bucket="files")
    body = bytes(range(256)) * 5_000  # large enough for Expect: 100-continue
    objects.put_object(Bucket="files", Key="a b/report.pdf", Body=body)
    asked = {"Bucket": "files", "Key": "a b/report.pdf"}
    link = objects.generate_presigned_url("get_object", Params=asked, ExpiresIn=60)
    assert httpx.get(link, trust_env=False).content == body
    assert httpx.head(link, trust_env=False).status_code == 403, "signed for GET only"
    assert httpx.get(link[:-4] + "0000", trust_env=False).status_code == 403
    past = objects.generate_presigned_url("get_object", Params=asked, ExpiresIn=1)
    time.sleep(2.1)
    assert httpx.get(past, trust_env=False).status_code == 403
    assert objects.head_object(**asked)["ContentLength"] == len(body)


def test_a_compressed_object_is_downloaded_decompressed(platform: Any, tmp_path: Path) -> None:
    objects = platform.client("s3")
    objects.create_bucket(Bucket="compressed")
    asked = {"Bucket": "compressed", "Key": "reports/acme/r/a.csv"}
    packed = gzip.compress(b"a,b\r\n" * 100_000)
    with BytesIO(packed) as body:
        objects.put_object(**asked, Body=body, ContentType="text/csv", ContentEncoding="gzip")
    link = objects.generate_presigned_url(
        "get_object", Params={**asked, "ResponseContentType": "text/csv"}, ExpiresIn=60
    )
    assert httpx.get(link, trust_env=False).headers["content-length"] == str(len(packed))
    with Client("http://crm.test", StaticToken("t")) as crm:
        assert crm.download(link, tmp_path / "a.csv") == 500_000
    assert (tmp_path / "a.csv").read_bytes() == b"a,b\r\n" * 100_000


def test_one_connection_takes_requests_of_every_kind(platform: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", platform.settings.port, timeout=10)
    bucket = "pieces"
    platform.client("s3").create_bucket(Bucket=bucket)
    for _ in range(2):
        connection.request("GET", "/_ministack/health")
        assert json.loads(connection.getresponse().read())
    chunks = iter([b"hello", b" ", b"world"])
    connection.request("PUT", f"/{bucket}/chunked", chunks, encode_chunked=True, headers=CHUNKED)
    assert connection.getresponse().read() is not None
    connection.request("GET", f"/{bucket}/chunked")
    assert connection.getresponse().read() == b"hello world"
    connection.close()


CHUNKED = {"Transfer-Encoding": "chunked"}


def test_split_and_pipelined_requests_are_answered(platform: Any) -> None:
    request = b"GET /_zebros/backlog HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", platform.settings.port), timeout=10) as raw:
        raw.sendall(request[:20])
        raw.sendall(request[20:] + request + request)
        got = b""
        while got.count(b'"executions"') < 3:
            piece = raw.recv(65_536)
            assert piece
            got += piece
    assert got.count(b"HTTP/1.1 200 OK") == 3


def test_a_nested_sam_template_fails_when_unpatched(unpatched: Any) -> None:
    with pytest.raises(AssertionError, match="AWS::Serverless::Function"):
        nested(unpatched)


def test_a_nested_sam_template_is_deployed(platform: Any) -> None:
    name = nested(platform)["Name"]
    answer = platform.client("lambda").invoke(FunctionName=name)
    assert json.load(answer["Payload"]) == "inner"


def nested(emulator: Any) -> dict[str, str]:
    objects = emulator.client("s3")
    objects.create_bucket(Bucket="templates")
    objects.put_object(Bucket="templates", Key="inner.yaml", Body=NESTED.encode())
    url = f"{emulator.endpoint}/templates/inner.yaml"
    outer = {
        "Resources": {
            "Child": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}
        },
        "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Child", "Outputs.Name"]}}},
    }
    found: dict[str, str] = emulator.deploy("outer", json.dumps(outer))
    return found


def leaving(emulator: Any) -> list[str]:
    """Delete a stack whose nested stack has a bucket to keep and one to delete; what is left."""
    inner = {
        "Resources": {
            "Kept": {
                "Type": "AWS::S3::Bucket",
                "DeletionPolicy": "Retain",
                "Properties": {"BucketName": "is-kept"},
            },
            "Gone": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "is-gone"}},
        }
    }
    objects = emulator.client("s3")
    objects.create_bucket(Bucket="retaining")
    objects.put_object(Bucket="retaining", Key="inner.json", Body=json.dumps(inner))
    url = f"{emulator.endpoint}/retaining/inner.json"
    child = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}
    emulator.deploy("leaving", json.dumps({"Resources": {"Child": child}}))
    formation = emulator.client("cloudformation")
    formation.delete_stack(StackName="leaving")
    formation.get_waiter("stack_delete_complete").wait(
        StackName="leaving", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    names = [bucket["Name"] for bucket in objects.list_buckets()["Buckets"]]
    return [name for name in names if name.startswith("is-")]


def test_what_a_nested_stack_retains_outlives_it(platform: Any, unpatched: Any) -> None:
    assert leaving(platform) == ["is-kept"]
    assert leaving(unpatched) == []


ROLE_AND_PARAMETER: dict[str, Any] = {
    "Parameters": {"Purpose": {"Type": "String"}},
    "Resources": {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        },
        "Known": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {
                "Type": "String",
                "Description": {"Ref": "Purpose"},
                "Value": {"Fn::GetAtt": ["Role", "Arn"]},
            },
        },
    },
}


def test_an_updated_nested_stack_loses_its_roles_when_unpatched(unpatched: Any) -> None:
    reasons = nested_update(unpatched, "forgets", "changed")
    assert any("Requested attribute Arn does not exist" in reason for reason in reasons)


def test_a_nested_stack_can_be_updated_repeatedly(platform: Any) -> None:
    assert nested_update(platform, "updated", "changed", "and again") == []


def nested_update(emulator: Any, name: str, *changes: str) -> list[str]:
    """Deploy a nested stack and change one of its resources; returns the reasons of failures."""
    objects, formation = emulator.client("s3"), emulator.client("cloudformation")
    objects.create_bucket(Bucket=name)
    objects.put_object(Bucket=name, Key="child", Body=json.dumps(ROLE_AND_PARAMETER).encode())

    def template(purpose: str) -> str:
        given = {
            "TemplateURL": f"{emulator.endpoint}/{name}/child",
            "Parameters": {"Purpose": purpose},
        }
        child = {"Type": "AWS::CloudFormation::Stack", "Properties": given}
        return json.dumps({"Resources": {"Child": child}})

    emulator.deploy(name, template("first"))
    for purpose in changes:
        formation.update_stack(
            StackName=name, TemplateBody=template(purpose), Capabilities=["CAPABILITY_IAM"]
        )
        emulator.until(lambda: not in_progress(formation, name))
    events = formation.describe_stack_events(StackName=name)["StackEvents"]
    return [
        one["ResourceStatusReason"] for one in events if one["ResourceStatus"] == "UPDATE_FAILED"
    ]


def in_progress(formation: Any, name: str) -> bool:
    status = formation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    return str(status).endswith("IN_PROGRESS")


def test_an_unknown_platform_endpoint_is_reported(platform: Any) -> None:
    answer = httpx.get(f"{platform.endpoint}/_zebros/nothing", trust_env=False)
    assert answer.status_code == 404


def test_a_stack_keeps_its_parameters_when_they_are_not_given_again(platform: Any) -> None:
    formation = platform.client("cloudformation")
    template = {
        "Parameters": {"Name": {"Type": "String", "Default": "none"}},
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": 0}}},
        "Outputs": {"Name": {"Value": {"Ref": "Name"}}},
    }
    given = [{"ParameterKey": "Name", "ParameterValue": "kept"}]
    formation.create_stack(StackName="kept", TemplateBody=json.dumps(template), Parameters=given)
    stack = platform.until(lambda: complete(formation, "CREATE_COMPLETE"))
    template["Resources"]["Queue"]["Properties"]["DelaySeconds"] = 1  # type: ignore[index]
    formation.update_stack(
        StackName="kept",
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": "Name", "UsePreviousValue": True}],
    )
    stack = platform.until(lambda: complete(formation, "UPDATE_COMPLETE"))
    assert stack["Outputs"][0]["OutputValue"] == "kept"


def complete(formation: Any, status: str) -> Any:
    stack = formation.describe_stacks(StackName="kept")["Stacks"][0]
    return stack if stack["StackStatus"] == status else None
