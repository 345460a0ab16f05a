variable "name" {
  description = "Identifier of the database instance, and prefix of all that belongs to it."
  type        = string
  nullable    = false
}

variable "vpc_id" {
  description = "VPC of the database."
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

variable "database" {
  description = "Name of the database."
  type        = string
  nullable    = false
  default     = "gamemetrics"
}

variable "engine_version" {
  description = "PostgreSQL major version; RDS installs the minor versions."
  type        = string
  nullable    = false
  default     = "16"

  validation {
    condition     = try(tonumber(var.engine_version) >= 15 && floor(tonumber(var.engine_version)) == tonumber(var.engine_version), false)
    error_message = "The platform needs PostgreSQL 15 or later: give the major version, such as \"16\"."
  }
}

variable "instance_class" {
  description = "RDS instance class, such as db.t4g.small."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.instance_class, "db.")
    error_message = "RDS instance classes begin with \"db.\"."
  }
}

variable "storage_gib" {
  description = "Storage at creation."
  type        = number
  nullable    = false

  validation {
    condition     = var.storage_gib >= 20
    error_message = "RDS needs at least 20 GiB."
  }
}

variable "max_storage_gib" {
  description = "Size up to which RDS grows the storage by itself."
  type        = number
  nullable    = false

  validation {
    condition     = var.max_storage_gib > var.storage_gib
    error_message = "The storage must be able to grow: max_storage_gib above storage_gib."
  }
}

variable "multi_az" {
  description = "Whether a standby in another zone takes over when the first fails."
  type        = bool
  nullable    = false
}

variable "backup_days" {
  description = "How many days of point-in-time recovery RDS keeps."
  type        = number
  nullable    = false

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "RDS keeps 1 to 35 days."
  }
}

variable "deletion_protection" {
  description = "Whether RDS refuses to delete the database."
  type        = bool
  nullable    = false
}

variable "final_snapshot" {
  description = "Name of the snapshot that is taken when the database is deleted; null: its data is lost then."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps the database's log."
  type        = number
  nullable    = false
}
