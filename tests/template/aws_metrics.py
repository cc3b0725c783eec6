"""Metrics that AWS publishes, with the dimensions under which it does.

Reviewed against each service's page of metrics in AWS's documentation: "Monitoring Lambda
functions", "Amazon API Gateway dimensions and metrics", "Available CloudWatch metrics for Amazon
SQS", "DynamoDB metrics and dimensions", "Monitoring Step Functions metrics", "Amazon ECS service
utilization metrics", "Metrics for Valkey and Redis OSS", "Viewing DAX metrics", "Amazon S3
metrics", "CloudWatch metrics for your Application Load Balancer", "Amazon CloudWatch metrics for
Aurora".
"""

_FUNCTION, _QUEUE, _API = ("FunctionName",), ("QueueName",), ("ApiName", "Stage")
_SERVICE, _FLOW = ("ClusterName", "ServiceName"), ("StateMachineArn",)
AWS_METRICS: dict[tuple[str, str], tuple[str, ...]] = {
    ("AWS/ApiGateway", "Latency"): _API,
    ("AWS/ApiGateway", "Count"): _API,
    ("AWS/ApiGateway", "4XXError"): _API,
    ("AWS/ApiGateway", "5XXError"): _API,
    ("AWS/Lambda", "Invocations"): _FUNCTION,
    ("AWS/Lambda", "Errors"): _FUNCTION,
    ("AWS/Lambda", "Throttles"): _FUNCTION,
    ("AWS/Lambda", "ConcurrentExecutions"): _FUNCTION,
    ("AWS/Lambda", "IteratorAge"): _FUNCTION,
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): _QUEUE,
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): _QUEUE,
    ("AWS/States", "ExecutionTime"): _FLOW,
    ("AWS/States", "ExecutionsFailed"): _FLOW,
    ("AWS/States", "ExecutionsTimedOut"): _FLOW,
    ("AWS/ECS", "CPUUtilization"): _SERVICE,
    ("AWS/ECS", "MemoryUtilization"): _SERVICE,
    ("AWS/DynamoDB", "ThrottledRequests"): ("TableName", "Operation"),
    ("AWS/DynamoDB", "ConsumedReadCapacityUnits"): ("TableName",),
    ("AWS/DynamoDB", "ConsumedWriteCapacityUnits"): ("TableName",),
    ("AWS/S3", "BucketSizeBytes"): ("BucketName", "StorageType"),
    # The metrics of a node; a node's id is the group's, its shard and its number.
    ("AWS/ElastiCache", "DatabaseMemoryUsagePercentage"): ("CacheClusterId",),
    ("AWS/DAX", "CPUUtilization"): ("ClusterId",),
    ("AWS/DAX", "ItemCacheHits"): ("ClusterId",),
    ("AWS/DAX", "ItemCacheMisses"): ("ClusterId",),
    ("AWS/DAX", "QueryCacheHits"): ("ClusterId",),
    ("AWS/DAX", "QueryCacheMisses"): ("ClusterId",),
    ("AWS/ApplicationELB", "HealthyHostCount"): ("LoadBalancer", "TargetGroup"),
    ("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count"): ("LoadBalancer",),
    ("AWS/RDS", "ACUUtilization"): ("DBClusterIdentifier",),
}
PROPERTY_OF: dict[str, tuple[str, str | frozenset[str] | None]] = {
    "ApiName": ("AWS::ApiGateway::RestApi", "Name"),
    "Stage": ("AWS::ApiGateway::Stage", "StageName"),
    "FunctionName": ("AWS::Lambda::Function", None),
    "QueueName": ("AWS::SQS::Queue", "QueueName"),
    "StateMachineArn": ("AWS::StepFunctions::StateMachine", None),
    "ClusterName": ("AWS::ECS::Cluster", None),
    "ServiceName": ("AWS::ECS::Service", "Name"),
    "TableName": ("AWS::DynamoDB::GlobalTable", "TableName"),
    "Operation": ("", frozenset({"TransactWriteItems", "GetItem", "Query"})),
    "BucketName": ("AWS::S3::Bucket", None),
    "StorageType": ("", frozenset({"StandardStorage"})),
    "CacheClusterId": ("AWS::ElastiCache::ReplicationGroup", None),
    "ClusterId": ("AWS::DAX::Cluster", None),
    "LoadBalancer": ("AWS::ElasticLoadBalancingV2::LoadBalancer", "LoadBalancerFullName"),
    "TargetGroup": ("AWS::ElasticLoadBalancingV2::TargetGroup", "TargetGroupFullName"),
    "DBClusterIdentifier": ("AWS::RDS::DBCluster", None),
}
"""The resource whose name a dimension is, and the attribute or property; None is its `Ref`.

For a dimension that names no resource: its values.
"""
