variable "name" {
  description = "Prefix of the role names."
  type        = string
  nullable    = false
}

variable "cluster_name" {
  description = "EKS cluster whose service accounts take the roles."
  type        = string
  nullable    = false
}

variable "velero_bucket_arn" {
  description = "ARN of the bucket that Velero keeps its backups in."
  type        = string
  nullable    = false
}

variable "secret_arns" {
  description = "ARNs of the secrets that the platform's pods may read."
  type        = list(string)
  nullable    = false
}
