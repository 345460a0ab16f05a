variable "project" {
  description = "First part of every resource's name."
  type        = string
  nullable    = false
  default     = "gamemetrics"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.project))
    error_message = "The project is 2 to 12 lower-case letters and digits, beginning with a letter."
  }
}

variable "environment" {
  description = "Name of the environment, the second part of every resource's name."
  type        = string
  nullable    = false
  default     = "dev"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,8}$", var.environment))
    error_message = "The environment is 2 to 9 lower-case letters and digits, beginning with a letter."
  }
}

variable "environment_id" {
  description = "Id of this environment, the same wherever gmctl runs. It stands in the tags of everything that is the environment's."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]{8,32}$", var.environment_id))
    error_message = "The id is 8 to 32 lower-case letters and digits."
  }
}

variable "account_id" {
  description = "AWS account. Terraform refuses to work in another one."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "An AWS account id has 12 digits."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "That is no AWS region, such as eu-central-1."
  }
}

variable "network" {
  description = "The VPC: address range, number of availability zones (2 or 3), NAT gateways (\"single\" or \"per-zone\")."
  type = object({
    cidr               = optional(string, "10.20.0.0/16")
    availability_zones = optional(number, 3)
    nat                = optional(string, "single")
  })
  nullable = false
  default  = {}
}

variable "kubernetes" {
  description = "The EKS control plane: version, who may reach the API from the internet, administrators' ARNs, logs kept, add-on versions."
  type = object({
    version             = optional(string, "1.35")
    public_access_cidrs = optional(list(string), ["0.0.0.0/0"])
    administrators      = optional(set(string), [])
    log_types           = optional(set(string), ["api", "audit", "authenticator"])
    addons = optional(map(object({
      version       = optional(string)
      configuration = optional(string)
    })), {})
  })
  nullable = false
  default  = {}
}

variable "node_groups" {
  description = "Managed node groups. A Kafka broker of the platform asks for 2 GiB of memory: the nodes of data must have that free."
  type = map(object({
    instance_types = list(string)
    min_size       = number
    desired_size   = number
    max_size       = number
    capacity_type  = optional(string, "ON_DEMAND")
    ami_type       = optional(string, "AL2023_x86_64_STANDARD")
    disk_gib       = optional(number, 50)
    labels         = optional(map(string), {})
    taints = optional(list(object({
      key    = string
      value  = string
      effect = string
    })), [])
  }))
  nullable = false
  default = {
    system = {
      instance_types = ["t3.medium"]
      min_size       = 2
      desired_size   = 2
      max_size       = 3
    }
    application = {
      instance_types = ["t3.large"]
      min_size       = 2
      desired_size   = 2
      max_size       = 4
    }
    data = {
      instance_types = ["t3.large"]
      min_size       = 3
      desired_size   = 3
      max_size       = 4
      disk_gib       = 50
      taints         = [{ key = "gamemetrics.io/dedicated", value = "data", effect = "NO_SCHEDULE" }]
    }
  }
}

variable "database" {
  description = "PostgreSQL: major version, instance class, storage, standby in another zone, days of point-in-time recovery, and what protects it from deletion."
  type = object({
    engine_version      = optional(string, "16")
    instance_class      = optional(string, "db.t4g.small")
    storage_gib         = optional(number, 20)
    max_storage_gib     = optional(number, 100)
    multi_az            = optional(bool, false)
    backup_days         = optional(number, 7)
    deletion_protection = optional(bool, false)
    final_snapshot      = optional(bool, true)
  })
  nullable = false
  default  = {}
}

variable "redis" {
  description = "Redis: node type, number of nodes (two or more fail over), days that snapshots are kept."
  type = object({
    node_type     = optional(string, "cache.t4g.small")
    nodes         = optional(number, 1)
    snapshot_days = optional(number, 0)
  })
  nullable = false
  default  = {}
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps the logs of control plane and database."
  type        = number
  nullable    = false
  default     = 14

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827], var.log_retention_days)
    error_message = "CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096 or 1827 days."
  }
}
