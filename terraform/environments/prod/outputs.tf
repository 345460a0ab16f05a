# What gmctl's stages read. internal/terraform has the same shape in Go.

output "environment" {
  description = "Which environment this is, and where."
  value = {
    name       = local.name
    id         = var.environment_id
    account_id = var.account_id
    region     = var.region
  }
}

output "network" {
  description = "The VPC and its subnets."
  value = {
    vpc_id             = module.network.vpc_id
    availability_zones = module.network.availability_zones
    private_subnet_ids = module.network.private_subnet_ids
    public_subnet_ids  = module.network.public_subnet_ids
    nat_addresses      = module.network.nat_addresses
  }
}

output "cluster" {
  description = "The EKS cluster and its node groups."
  value = {
    name                  = module.eks.name
    arn                   = module.eks.arn
    version               = module.eks.version
    endpoint              = module.eks.endpoint
    certificate_authority = module.eks.certificate_authority
    security_group_id     = module.eks.security_group_id
    oidc_provider_arn     = module.eks.oidc_provider_arn
    node_role_arn         = module.eks.node_role_arn
    node_groups           = module.eks.node_groups
  }
}

output "database" {
  description = "The PostgreSQL instance, and where its master password is kept."
  value = {
    identifier          = module.rds.identifier
    address             = module.rds.address
    port                = module.rds.port
    database            = module.rds.database
    master_secret_arn   = module.rds.master_secret_arn
    deletion_protection = module.rds.deletion_protection
  }
}

output "redis" {
  description = "The Redis replication group, and where its AUTH token is kept."
  value = {
    id              = module.redis.id
    address         = module.redis.address
    port            = module.redis.port
    auth_secret_arn = module.redis.auth_secret_arn
  }
}

output "secrets" {
  description = "ARN of the secret of each user that the services log in as."
  value       = module.credentials.secret_arns
}

output "buckets" {
  description = "Name and ARN of each bucket, by purpose."
  value       = module.storage.buckets
}

output "repositories" {
  description = "URL of each image repository."
  value       = module.registry.repositories
}

output "roles" {
  description = "ARNs of the pods' IAM roles."
  value       = module.iam.role_arns
}
