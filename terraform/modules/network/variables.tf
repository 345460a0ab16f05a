variable "name" {
  description = "Prefix of the names of everything in the network."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "The name must be 3 to 32 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "cluster_name" {
  description = "Name of the EKS cluster whose load balancers use the subnets."
  type        = string
  nullable    = false
}

variable "cidr" {
  description = "Address range of the VPC. A sixteenth of it goes to each private subnet."
  type        = string
  nullable    = false

  validation {
    condition     = can(cidrnetmask(var.cidr)) && try(tonumber(split("/", var.cidr)[1]), 0) >= 16 && try(tonumber(split("/", var.cidr)[1]), 99) <= 20
    error_message = "The range must be an IPv4 CIDR between /16 and /20, such as 10.20.0.0/16."
  }
}

variable "availability_zones" {
  description = "Number of availability zones that the subnets spread over."
  type        = number
  nullable    = false

  validation {
    condition     = contains([2, 3], var.availability_zones)
    error_message = "EKS and RDS need at least 2 availability zones, and most regions have 3: use 2 or 3."
  }
}

variable "nat" {
  description = "NAT gateways: \"single\" is cheaper, \"per-zone\" survives the loss of a zone."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["single", "per-zone"], var.nat)
    error_message = "Use \"single\" or \"per-zone\"."
  }
}
