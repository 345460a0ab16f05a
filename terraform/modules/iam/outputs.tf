output "role_arns" {
  description = "ARNs of the pods' roles: cluster-autoscaler, ebs-csi, secrets and velero."
  value       = { for key, role in aws_iam_role.pod : key => role.arn }
}
