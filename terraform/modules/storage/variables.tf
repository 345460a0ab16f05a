variable "name" {
  description = "Prefix of the bucket names; the account and the region are added, because bucket names are unique worldwide."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}[a-z0-9]$", var.name))
    error_message = "The name must be 3 to 22 lower-case letters, digits and hyphens: S3 allows 63 in all."
  }
}

variable "buckets" {
  description = "Buckets by purpose: after how many days objects move to infrequent access (at least 30; null: never) and expire (null: never), and how long replaced and deleted versions are kept."
  type = map(object({
    infrequent_access_after_days = optional(number)
    expire_after_days            = optional(number)
    keep_old_versions_days       = optional(number, 30)
  }))
  nullable = false
  default = {
    logs      = { infrequent_access_after_days = 30, expire_after_days = 365 }
    backups   = { infrequent_access_after_days = 30, keep_old_versions_days = 90 }
    artifacts = {}
    velero    = { keep_old_versions_days = 14 }
  }

  validation {
    condition     = alltrue([for purpose in ["logs", "backups", "artifacts", "velero"] : contains(keys(var.buckets), purpose)])
    error_message = "The platform needs the buckets logs, backups, artifacts and velero."
  }

  validation {
    condition     = alltrue([for bucket in values(var.buckets) : bucket.infrequent_access_after_days == null || try(bucket.infrequent_access_after_days >= 30, false)])
    error_message = "S3 moves objects to infrequent access after 30 days at the earliest."
  }

  validation {
    condition     = alltrue([for bucket in values(var.buckets) : bucket.keep_old_versions_days >= 1 && (bucket.expire_after_days == null || try(bucket.expire_after_days > coalesce(bucket.infrequent_access_after_days, 0), false))])
    error_message = "Objects must expire after they moved to infrequent access, and old versions be kept for at least a day."
  }
}
