output "repositories" {
  description = "URL of each repository, to push to and pull from."
  value       = { for key, repository in aws_ecr_repository.this : key => repository.repository_url }
}
