variable "name" {
  description = "Id of the replication group, and prefix of all that belongs to it."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.name) <= 40
    error_message = "ElastiCache allows 40 characters."
  }
}

variable "vpc_id" {
  description = "VPC of the cache."
  type        = string
  nullable    = false
}

variable "subnet_ids" {
  description = "Private subnets, in at least two zones."
  type        = list(string)
  nullable    = false
}

variable "client_security_groups" {
  description = "Security groups that may connect, by what they are."
  type        = map(string)
  nullable    = false
}

variable "node_type" {
  description = "ElastiCache node type, such as cache.t4g.small."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.node_type, "cache.")
    error_message = "ElastiCache node types begin with \"cache.\"."
  }
}

variable "nodes" {
  description = "Number of nodes: the primary and its replicas. With two or more, a replica takes over when the primary fails."
  type        = number
  nullable    = false

  validation {
    condition     = var.nodes >= 1 && var.nodes <= 6
    error_message = "Use 1 to 6 nodes."
  }
}

variable "snapshot_days" {
  description = "How many days daily snapshots are kept; 0: none are taken."
  type        = number
  nullable    = false

  validation {
    condition     = var.snapshot_days >= 0 && var.snapshot_days <= 35
    error_message = "ElastiCache keeps 0 to 35 days."
  }
}
