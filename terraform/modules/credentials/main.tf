resource "aws_secretsmanager_secret" "this" {
  for_each = var.users

  name        = "${var.name}/${each.key}"
  description = "User of ${var.name} in ${each.value.of}"
  # A password without what it opens is worth nothing, and its name can be used
  # again.
  recovery_window_in_days = 0
}

# Ephemeral and write-only: the password stands in no state and no plan.
ephemeral "aws_secretsmanager_random_password" "this" {
  for_each = var.users

  password_length     = 32
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret_version" "this" {
  for_each = var.users

  secret_id = aws_secretsmanager_secret.this[each.key].id
  secret_string_wo = jsonencode({
    username = each.value.username
    password = ephemeral.aws_secretsmanager_random_password.this[each.key].random_password
  })
  secret_string_wo_version = 1
}
