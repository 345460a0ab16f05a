variable "name" {
  description = "Name of the cluster, and prefix of all that belongs to it."
  type        = string
  nullable    = false
}

variable "kubernetes_version" {
  description = "Kubernetes minor version of the control plane and the nodes, such as 1.35."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^1\\.[0-9]{2}$", var.kubernetes_version))
    error_message = "Give the minor version alone, such as 1.35."
  }
}

variable "subnet_ids" {
  description = "Private subnets of the control plane's interfaces and of the nodes, in at least two zones."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "EKS needs subnets in at least two availability zones."
  }
}

variable "public_access_cidrs" {
  description = "Address ranges that may reach the Kubernetes API from the internet; none: it is reachable from the VPC alone."
  type        = list(string)
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.public_access_cidrs : can(cidrhost(cidr, 0))])
    error_message = "Each must be a CIDR, such as 203.0.113.0/24."
  }
}

variable "administrators" {
  description = "ARNs of the IAM roles and users that are cluster administrators besides the one who creates the cluster."
  type        = set(string)
  nullable    = false
  default     = []

  validation {
    condition     = alltrue([for arn in var.administrators : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/", arn))])
    error_message = "Each must be the ARN of an IAM role or user (not of a session: arn:aws:sts::…)."
  }
}

variable "node_groups" {
  description = "Managed node groups. The scheduler keeps pods off a group with taints unless they tolerate them."
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

  validation {
    condition     = alltrue([for group in ["system", "application", "data"] : contains(keys(var.node_groups), group)])
    error_message = "The platform needs the node groups system, application and data."
  }

  validation {
    condition     = alltrue([for group in values(var.node_groups) : group.min_size >= 0 && group.min_size <= group.desired_size && group.desired_size <= group.max_size && group.max_size >= 1])
    error_message = "Sizes must be ordered: 0 <= min_size <= desired_size <= max_size, and max_size at least 1."
  }

  validation {
    condition     = alltrue([for group in values(var.node_groups) : length(group.instance_types) > 0 && contains(["ON_DEMAND", "SPOT"], group.capacity_type) && group.disk_gib >= 20])
    error_message = "Each group needs an instance type, capacity_type ON_DEMAND or SPOT, and 20 GiB of disk."
  }

  validation {
    condition     = alltrue(flatten([for group in values(var.node_groups) : [for taint in group.taints : contains(["NO_SCHEDULE", "NO_EXECUTE", "PREFER_NO_SCHEDULE"], taint.effect)]]))
    error_message = "The effect of a taint is NO_SCHEDULE, NO_EXECUTE or PREFER_NO_SCHEDULE."
  }

  validation {
    condition     = length(try(var.node_groups["system"].taints, [])) == 0
    error_message = "The group system must have no taints: the cluster's DNS runs there."
  }
}

variable "addons" {
  description = "Versions and settings (JSON) of the EKS add-ons. Without a version EKS installs its default and keeps it: gmctl upgrade moves it."
  type = map(object({
    version       = optional(string)
    configuration = optional(string)
  }))
  nullable = false
  default  = {}

  validation {
    condition     = alltrue([for name in keys(var.addons) : contains(["vpc-cni", "kube-proxy", "eks-pod-identity-agent", "coredns", "aws-ebs-csi-driver"], name)])
    error_message = "The add-ons are vpc-cni, kube-proxy, eks-pod-identity-agent, coredns and aws-ebs-csi-driver."
  }
}

variable "ebs_csi_role_arn" {
  description = "IAM role of the EBS CSI driver's controller."
  type        = string
  nullable    = false
}

variable "log_types" {
  description = "Control plane logs to keep in CloudWatch."
  type        = set(string)
  nullable    = false

  validation {
    condition     = alltrue([for type in var.log_types : contains(["api", "audit", "authenticator", "controllerManager", "scheduler"], type)])
    error_message = "The logs are api, audit, authenticator, controllerManager and scheduler."
  }
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps the control plane's logs."
  type        = number
  nullable    = false
}

variable "node_tags" {
  description = "Tags for the instances, volumes and interfaces of the nodes, which the provider's default tags do not reach."
  type        = map(string)
  nullable    = false
}
