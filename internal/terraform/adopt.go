package terraform

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/gamemetrics/gmctl/internal/awscloud"
)

// importsFile tells Terraform which existing resources are the environment's.
const importsFile = "gmctl_adopt.tf.json"

// adoption maps addresses of the configuration to the ids of resources that are
// there and that the state does not know: an apply was killed or interrupted
// between making them and writing them down.
type adoption map[string]string

// adoptable returns what of the resources that the plan would create is there.
func (w *Workspace) adoptable(ctx context.Context, plan *Plan) (adoption, error) {
	runner, err := w.terraform()
	if err != nil {
		return nil, err
	}
	shown, err := runner.ShowPlanFile(ctx, plan.file)
	if err != nil {
		return nil, w.explain(ctx, "the plan cannot be read", err, nil)
	}
	owned, err := w.Owned(ctx)
	if err != nil {
		return nil, err
	}
	found := adoption{}
	for _, change := range shown.ResourceChanges {
		if !change.Change.Actions.Create() {
			continue
		}
		for _, resource := range owned {
			if id, ok := isThe(change, resource); ok {
				found[change.Address] = id
			}
		}
	}
	return found, nil
}

// isThe reports whether the resource is what the change would create, and the
// id by which Terraform imports it. Names are unique among their kind.
func isThe(change *tfjson.ResourceChange, resource awscloud.Resource) (id string, ok bool) {
	id, ok = importID(change.Type, resource.ARN)
	after, isObject := change.Change.After.(map[string]any)
	if !ok || !isObject {
		return "", false
	}
	if tags, _ := after["tags_all"].(map[string]any); tags["Name"] != nil {
		return id, tags["Name"] == resource.Tags["Name"]
	}
	for _, attribute := range []string{"bucket", "identifier", "replication_group_id", "name"} {
		if name, _ := after[attribute].(string); name != "" {
			return id, name == id || strings.Contains(resource.ARN, ":secret:"+name+"-")
		}
	}
	return "", false
}

// importID turns the ARN of a resource into the id by which Terraform imports
// it as a resourceType, or says that it is of another type.
func importID(resourceType, arn string) (id string, ok bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return "", false
	}
	service, rest := parts[2], parts[5]
	known := map[string]struct{ service, prefix, form string }{
		"aws_vpc":                             {"ec2", "vpc/", ""},
		"aws_subnet":                          {"ec2", "subnet/", ""},
		"aws_internet_gateway":                {"ec2", "internet-gateway/", ""},
		"aws_nat_gateway":                     {"ec2", "natgateway/", ""},
		"aws_eip":                             {"ec2", "elastic-ip/", ""},
		"aws_route_table":                     {"ec2", "route-table/", ""},
		"aws_vpc_endpoint":                    {"ec2", "vpc-endpoint/", ""},
		"aws_security_group":                  {"ec2", "security-group/", ""},
		"aws_vpc_security_group_ingress_rule": {"ec2", "security-group-rule/", ""},
		"aws_launch_template":                 {"ec2", "launch-template/", ""},
		"aws_kms_key":                         {"kms", "key/", ""},
		"aws_eks_cluster":                     {"eks", "cluster/", ""},
		"aws_eks_node_group":                  {"eks", "nodegroup/", ":"},
		"aws_eks_addon":                       {"eks", "addon/", ":"},
		"aws_eks_pod_identity_association":    {"eks", "podidentityassociation/", ","},
		"aws_db_instance":                     {"rds", "db:", ""},
		"aws_db_subnet_group":                 {"rds", "subgrp:", ""},
		"aws_db_parameter_group":              {"rds", "pg:", ""},
		"aws_elasticache_replication_group":   {"elasticache", "replicationgroup:", ""},
		"aws_elasticache_subnet_group":        {"elasticache", "subnetgroup:", ""},
		"aws_ecr_repository":                  {"ecr", "repository/", ""},
		"aws_cloudwatch_log_group":            {"logs", "log-group:", ""},
		"aws_s3_bucket":                       {"s3", "", ""},
		"aws_secretsmanager_secret":           {"secretsmanager", "secret:", ""},
	}
	kind, listed := known[resourceType]
	name, matches := strings.CutPrefix(rest, kind.prefix)
	if !listed || service != kind.service || !matches {
		return "", false
	}
	switch {
	case resourceType == "aws_secretsmanager_secret":
		return arn, true
	case kind.form != "": // CLUSTER/NAME/…
		cluster, name, _ := strings.Cut(name, "/")
		name, _, _ = strings.Cut(name, "/")
		return cluster + kind.form + name, true
	}
	return name, true
}

// writeImports has the next plan import what is adopted; nothing: import nothing.
func (w *Workspace) writeImports(adopted adoption) error {
	path := filepath.Join(w.root(), importsFile)
	if len(adopted) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	var imports []map[string]string
	for address, id := range adopted {
		imports = append(imports, map[string]string{"to": address, "id": id})
	}
	text, err := json.Marshal(map[string]any{"import": imports})
	if err != nil {
		return err
	}
	return replaceFile(path, text)
}

// gone removes from the adoption what a plan could not import, because it is
// only still listed, and reports whether there was any.
func (a adoption) gone(diagnostics []Diagnostic) bool {
	before := len(a)
	for _, d := range diagnostics {
		if !strings.Contains(d.Summary, "Cannot import non-existent remote object") {
			continue
		}
		for address := range a {
			if strings.Contains(d.Detail, address) || strings.Contains(d.Detail, strings.ReplaceAll(address, `"`, `\"`)) {
				delete(a, address)
			}
		}
	}
	return len(a) < before
}
