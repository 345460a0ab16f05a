output "id" {
  description = "Id of the replication group."
  value       = aws_elasticache_replication_group.this.replication_group_id
}

output "address" {
  description = "Host name of the primary; TLS is required."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}

output "port" {
  description = "Port of the primary."
  value       = aws_elasticache_replication_group.this.port
}

output "auth_secret_arn" {
  description = "ARN of the secret that holds the AUTH token, as {\"token\": …}."
  value       = aws_secretsmanager_secret.auth.arn
  depends_on  = [aws_secretsmanager_secret_version.auth]
}
