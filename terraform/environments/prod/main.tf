locals {
  name = "${var.project}-${var.environment}"

  # Whose a resource is. gmctl removes only what carries all four.
  tags = {
    Project       = var.project
    Environment   = var.environment
    EnvironmentId = var.environment_id
    ManagedBy     = "gmctl"
  }
}

# When this environment was made: another one of its name gets another snapshot.
resource "terraform_data" "made" {
  input = plantimestamp()

  lifecycle {
    ignore_changes = [input]
  }
}

module "network" {
  source = "../../modules/network"

  name               = local.name
  cluster_name       = local.name
  cidr               = var.network.cidr
  availability_zones = var.network.availability_zones
  nat                = var.network.nat
}

module "eks" {
  source = "../../modules/eks"

  name                = local.name
  kubernetes_version  = var.kubernetes.version
  subnet_ids          = module.network.private_subnet_ids
  public_access_cidrs = var.kubernetes.public_access_cidrs
  administrators      = var.kubernetes.administrators
  log_types           = var.kubernetes.log_types
  log_retention_days  = var.log_retention_days
  addons              = var.kubernetes.addons
  node_groups         = var.node_groups
  node_tags           = local.tags
  ebs_csi_role_arn    = module.iam.role_arns["ebs-csi"]
}

module "rds" {
  source = "../../modules/rds"

  name                   = local.name
  vpc_id                 = module.network.vpc_id
  subnet_ids             = module.network.private_subnet_ids
  client_security_groups = { cluster = module.eks.security_group_id }
  engine_version         = var.database.engine_version
  instance_class         = var.database.instance_class
  storage_gib            = var.database.storage_gib
  max_storage_gib        = var.database.max_storage_gib
  multi_az               = var.database.multi_az
  backup_days            = var.database.backup_days
  deletion_protection    = var.database.deletion_protection
  final_snapshot         = var.database.final_snapshot ? "${local.name}-final-${formatdate("YYYYMMDDhhmmss", terraform_data.made.output)}" : null
  log_retention_days     = var.log_retention_days
}

module "redis" {
  source = "../../modules/redis"

  name                   = local.name
  vpc_id                 = module.network.vpc_id
  subnet_ids             = module.network.private_subnet_ids
  client_security_groups = { cluster = module.eks.security_group_id }
  node_type              = var.redis.node_type
  nodes                  = var.redis.nodes
  snapshot_days          = var.redis.snapshot_days
}

module "credentials" {
  source = "../../modules/credentials"

  name = local.name
  users = {
    database = { username = "gamemetrics_app", of = "PostgreSQL" }
    kafka    = { username = "gamemetrics", of = "Kafka" }
  }
}

module "storage" {
  source = "../../modules/storage"

  name = local.name
}

module "registry" {
  source = "../../modules/registry"

  name = local.name
}

module "iam" {
  source = "../../modules/iam"

  name              = local.name
  cluster_name      = module.eks.name
  velero_bucket_arn = module.storage.buckets["velero"].arn
  secret_arns       = concat([module.rds.master_secret_arn, module.redis.auth_secret_arn], values(module.credentials.secret_arns))
}
