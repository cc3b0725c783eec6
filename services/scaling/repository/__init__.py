"""Actions and the lease in DynamoDB."""
