variable "name" {
  description = "Prefix of the repositories: NAME/REPOSITORY."
  type        = string
  nullable    = false
}

variable "repositories" {
  description = "Repositories for the platform's own images."
  type        = set(string)
  nullable    = false
  default     = ["gmctl"]

  validation {
    condition     = length(var.repositories) > 0 && alltrue([for repository in var.repositories : can(regex("^[a-z0-9]+(?:[._-][a-z0-9]+)*$", repository))])
    error_message = "Name at least one repository, in lower-case letters, digits and single separators."
  }
}

variable "keep_images" {
  description = "Number of newest images that each repository keeps."
  type        = number
  nullable    = false
  default     = 30

  validation {
    condition     = var.keep_images >= 5
    error_message = "Keep at least 5 images: rolling back needs the ones before."
  }
}
