output "secret_arns" {
  description = "ARN of each user's secret, which is {\"username\": …, \"password\": …}."
  value       = { for key, secret in aws_secretsmanager_secret.this : key => secret.arn }
  depends_on  = [aws_secretsmanager_secret_version.this]
}
