package terraform

import (
	"fmt"
	"strings"
	"time"
)

// kind is what a person calls a type of resource, and how long AWS usually
// takes with one.
type kind struct {
	name           string
	create, delete time.Duration // zero: seconds
	data           bool          // deleting it loses data
}

// kindOf describes a type of resource. The times are what AWS documents and
// what its users see.
func kindOf(resourceType string) kind {
	known := map[string]kind{
		"aws_eks_cluster":                       {name: "EKS cluster", create: 10 * time.Minute, delete: 5 * time.Minute},
		"aws_eks_node_group":                    {name: "EKS node group", create: 3 * time.Minute, delete: 5 * time.Minute},
		"aws_eks_addon":                         {name: "EKS add-on", create: time.Minute, delete: 30 * time.Second},
		"aws_db_instance":                       {name: "RDS database", create: 8 * time.Minute, delete: 6 * time.Minute, data: true},
		"aws_elasticache_replication_group":     {name: "Redis", create: 8 * time.Minute, delete: 6 * time.Minute, data: true},
		"aws_nat_gateway":                       {name: "NAT gateway", create: 2 * time.Minute, delete: time.Minute},
		"aws_internet_gateway":                  {name: "internet gateway", delete: 30 * time.Second},
		"aws_vpc":                               {name: "VPC"},
		"aws_s3_bucket":                         {name: "S3 bucket", data: true},
		"aws_ecr_repository":                    {name: "ECR repository"},
		"aws_kms_key":                           {name: "KMS key", create: 20 * time.Second},
		"aws_secretsmanager_secret":             {name: "secret"},
		"aws_eip":                               {name: "public address"},
		"aws_s3_bucket_lifecycle_configuration": {name: "S3 bucket lifecycle"},
	}
	if k, ok := known[resourceType]; ok {
		return k
	}
	return kind{name: strings.ReplaceAll(strings.TrimPrefix(resourceType, "aws_"), "_", " ")}
}

// notable reports whether a plan names the resource by itself.
func (k kind) notable() bool { return k.data || k.create >= 30*time.Second || k.name == "VPC" }

// title names a resource for a person: "EKS node group data".
func (r resource) title() string {
	title := kindOf(r.Type).name
	switch {
	case r.Key != nil:
		title += fmt.Sprintf(" %v", r.Key)
	case r.Name != "this":
		title += " " + strings.ReplaceAll(r.Name, "_", " ")
	}
	return title
}
