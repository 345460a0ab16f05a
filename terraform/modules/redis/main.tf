resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_security_group" "this" {
  name        = "${var.name}-redis"
  description = "Redis of ${var.name}"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-redis" }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = var.client_security_groups

  description                  = "Redis from ${each.key}"
  security_group_id            = aws_security_group.this.id
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379

  tags = { Name = "${var.name}-redis-${each.key}" }
}

resource "aws_secretsmanager_secret" "auth" {
  name        = "${var.name}/redis-auth"
  description = "AUTH token of the Redis replication group ${var.name}"
  # A token without its Redis opens nothing, and its name can be used again.
  recovery_window_in_days = 0
}

# Ephemeral and write-only: the token goes from one AWS API to the other and
# stands in no state and no plan.
ephemeral "aws_secretsmanager_random_password" "auth" {
  password_length     = 64
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret_version" "auth" {
  secret_id                = aws_secretsmanager_secret.auth.id
  secret_string_wo         = jsonencode({ token = ephemeral.aws_secretsmanager_random_password.auth.random_password })
  secret_string_wo_version = 1
}

# The provider would keep auth_token in the state, so it is not set here: gmctl
# gives Redis the token of the secret as soon as both are there, and again
# after a rotation. Until then only the security group guards an empty cache.
resource "aws_elasticache_replication_group" "this" {
  replication_group_id = var.name
  description          = "Redis of ${var.name}"
  engine               = "redis"
  engine_version       = "7.1"
  node_type            = var.node_type
  num_cache_clusters   = var.nodes
  port                 = 6379

  automatic_failover_enabled = var.nodes > 1
  multi_az_enabled           = var.nodes > 1

  at_rest_encryption_enabled = true
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"

  subnet_group_name  = aws_elasticache_subnet_group.this.name
  security_group_ids = [aws_security_group.this.id]

  snapshot_retention_limit   = var.snapshot_days
  snapshot_window            = "02:00-03:00"
  maintenance_window         = "sun:05:30-sun:06:30"
  auto_minor_version_upgrade = true
  apply_immediately          = true

  lifecycle {
    ignore_changes = [auth_token, auth_token_update_strategy]
  }
}
