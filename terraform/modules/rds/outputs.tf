output "identifier" {
  description = "Identifier of the database instance."
  value       = aws_db_instance.this.identifier
}

output "address" {
  description = "Host name of the database."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "Port of the database."
  value       = aws_db_instance.this.port
}

output "database" {
  description = "Name of the database."
  value       = aws_db_instance.this.db_name
}

output "master_secret_arn" {
  description = "ARN of the secret that holds the master user's name and password."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}

output "deletion_protection" {
  description = "Whether RDS refuses to delete the database."
  value       = aws_db_instance.this.deletion_protection
}
