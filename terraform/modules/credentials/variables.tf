variable "name" {
  description = "Prefix of the secrets' names."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*$", var.name))
    error_message = "Use lower-case letters, digits and hyphens."
  }
}

variable "users" {
  description = "The users that get a password, by the second part of their secret's name."
  type = map(object({
    username = string
    of       = string # what the user is one of: PostgreSQL
  }))
  nullable = false

  validation {
    condition     = alltrue([for user in values(var.users) : can(regex("^[a-z][a-z0-9_]*$", user.username))])
    error_message = "User names consist of lower-case letters, digits and underscores."
  }
}
