locals {
  # Every node needs these to become ready; the others need nodes.
  node_addons    = toset(["eks-pod-identity-agent", "kube-proxy", "vpc-cni"])
  cluster_addons = toset(["aws-ebs-csi-driver", "coredns"])

  # The network plugin ignores NetworkPolicies unless it is told not to.
  addon_settings = {
    vpc-cni = jsonencode({ enableNetworkPolicy = "true" })
  }
}

resource "aws_eks_addon" "node" {
  for_each = local.node_addons

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  addon_version               = try(var.addons[each.key].version, null)
  configuration_values        = try(coalesce(var.addons[each.key].configuration), local.addon_settings[each.key], null)
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"

  tags = { Name = each.key }
}

resource "aws_eks_pod_identity_association" "ebs_csi" {
  cluster_name    = aws_eks_cluster.this.name
  namespace       = "kube-system"
  service_account = "ebs-csi-controller-sa"
  role_arn        = var.ebs_csi_role_arn

  tags = { Name = "ebs-csi" }
}

resource "aws_eks_addon" "cluster" {
  for_each = local.cluster_addons

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  addon_version               = try(var.addons[each.key].version, null)
  configuration_values        = try(coalesce(var.addons[each.key].configuration), local.addon_settings[each.key], null)
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"

  tags = { Name = each.key }

  depends_on = [aws_eks_node_group.this, aws_eks_pod_identity_association.ebs_csi]
}
