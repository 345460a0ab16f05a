package environment

import "github.com/gamemetrics/gmctl/internal/config"

// The taint that keeps the nodes of the group data for Kafka, as the manifests
// tolerate it.
const (
	taintKey   = "gamemetrics.io/dedicated"
	taintValue = config.GroupData
)

// variables are what gmctl.yaml says, as the Terraform environments type it.
func variables(cfg config.AWS) map[string]any {
	return map[string]any{
		"network": map[string]any{
			"cidr": cfg.Network.CIDR, "availability_zones": cfg.Network.AvailabilityZones, "nat": cfg.Network.NAT,
		},
		"kubernetes": map[string]any{
			"version":             cfg.Kubernetes.Version,
			"public_access_cidrs": cfg.Kubernetes.PublicAccess,
			"administrators":      append([]string{}, cfg.Kubernetes.Administrators...), // never null
		},
		"node_groups": nodeGroups(cfg.NodeGroups),
		"database": map[string]any{
			"engine_version": cfg.Database.Version, "instance_class": cfg.Database.InstanceClass,
			"storage_gib": cfg.Database.StorageGiB, "max_storage_gib": cfg.Database.MaxStorageGiB,
			"multi_az": *cfg.Database.MultiAZ, "backup_days": *cfg.Database.BackupDays,
			"deletion_protection": *cfg.Database.DeletionProtection, "final_snapshot": *cfg.Database.FinalSnapshot,
		},
		"redis": map[string]any{
			"node_type": cfg.Redis.NodeType, "nodes": cfg.Redis.Nodes, "snapshot_days": *cfg.Redis.SnapshotDays,
		},
		"log_retention_days": cfg.LogRetentionDays,
	}
}

func nodeGroups(groups map[string]config.NodeGroup) map[string]any {
	all := make(map[string]any, len(groups))
	for name, group := range groups {
		settings := map[string]any{
			"instance_types": []string{group.InstanceType},
			"min_size":       group.Min, "desired_size": group.Desired, "max_size": group.Max,
			"disk_gib": group.DiskGiB,
		}
		if name == config.GroupData {
			settings["taints"] = []map[string]string{{"key": taintKey, "value": taintValue, "effect": "NO_SCHEDULE"}}
		}
		all[name] = settings
	}
	return all
}

// credentialsEnv has another program use the credentials that gmctl uses.
func credentialsEnv(cfg config.AWS) map[string]string {
	if cfg.Profile == "" {
		return nil
	}
	return map[string]string{"AWS_PROFILE": cfg.Profile}
}
