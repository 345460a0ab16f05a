package terraform

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
)

// importsFile tells Terraform which existing resources are the environment's.
const importsFile = "gmctl_adopt.tf.json"

// adoption maps addresses of the configuration to the ids of resources that are
// there and that the state does not know: an apply was killed between making
// them and writing them down. Of several for one address the first is taken.
type adoption map[string][]string

// add takes over what was found and not tried yet, and returns how much that was.
func (a adoption) add(found, tried adoption) int {
	added := 0
	for address, ids := range found {
		fresh := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(tried[address], id) })
		if len(fresh) > 0 {
			a[address] = fresh
			tried[address] = append(tried[address], fresh...)
			added++
		}
	}
	return added
}

// adoptable returns what of the resources that the plan would create is there, and
// what may be there: of what has no tags only an import tells, which is worth its
// time after a kill or when something was found already. It notes in the plan which
// of them the state takes for something that is gone.
func (w *Workspace) adoptable(ctx context.Context, plan *Plan, more bool) (adoption, error) {
	if w.Account == nil || !slices.ContainsFunc(plan.Changes, func(c Change) bool { return c.Action == engine.ActionCreate }) {
		return nil, nil
	}
	owned, err := w.Account.Owned(ctx)
	if err != nil || len(owned) == 0 && !w.unfinished() {
		return nil, err
	}
	shown, err := w.shown(ctx, plan)
	if err != nil {
		return nil, err
	}
	changes := shown.ResourceChanges
	owned = unknownOf(owned, changes)
	candidates := map[string][]awscloud.Resource{}
	for _, change := range changes {
		if !change.Change.Actions.Create() {
			continue
		}
		for _, resource := range owned {
			if _, ok := isThe(change, resource); ok {
				candidates[change.Address] = append(candidates[change.Address], resource)
			}
		}
	}
	found := adoption{}
	for _, change := range changes {
		present, err := w.Account.Present(ctx, candidates[change.Address])
		if err != nil {
			return nil, err
		}
		for _, resource := range present {
			id, _ := isThe(change, resource)
			found[change.Address] = append(found[change.Address], id)
		}
	}
	if len(found) > 0 || more || w.unfinished() {
		found.derive(changes)
	}
	plan.succeeded = found.successors(shown.ResourceDrift)
	return found, nil
}

// successors takes from the adoption, and returns, the addresses where the state
// still has another resource, which is gone: Terraform imports nothing there.
func (a adoption) successors(drift []*tfjson.ResourceChange) []string {
	var addresses []string
	for _, change := range drift {
		if len(a[change.Address]) > 0 && change.Change.Actions.Delete() {
			addresses = append(addresses, change.Address)
			delete(a, change.Address)
		}
	}
	return addresses
}

// succeed has the state forget what is gone and has a successor, which the next
// plan adopts.
func (w *Workspace) succeed(ctx context.Context, addresses []string, report engine.Reporter) error {
	runner, err := w.terraform()
	if err != nil {
		return err
	}
	for _, address := range addresses {
		err := w.unlocking(ctx, report, func() error { return runner.StateRm(ctx, address) })
		if err != nil {
			return w.explain(ctx, "the state keeps "+address+", which is gone", err, nil)
		}
	}
	return nil
}

// derive adds what carries no tags and belongs to something that is the
// environment's, whose id follows from what the plan wants. It may not be there.
func (a adoption) derive(changes []*tfjson.ResourceChange) {
	for _, change := range changes {
		after, ok := change.Change.After.(map[string]any)
		if !ok || !change.Change.Actions.Create() || len(a[change.Address]) > 0 {
			continue
		}
		form := map[string]struct {
			separator string
			parts     []string
		}{
			"aws_eks_access_entry":        {":", []string{"cluster_name", "principal_arn"}},
			"aws_kms_alias":               {"", []string{"name"}},
			"aws_route":                   {"_", []string{"route_table_id", "destination_cidr_block"}},
			"aws_route_table_association": {"/", []string{"subnet_id", "route_table_id"}},
		}[change.Type]
		var id []string
		for _, part := range form.parts {
			if value, _ := after[part].(string); value != "" { // else it is not known yet
				id = append(id, value)
			}
		}
		if len(id) > 0 && len(id) == len(form.parts) {
			a[change.Address] = []string{strings.Join(id, form.separator)}
		}
	}
}

// shown reads a saved plan, with the resources that do not change.
func (w *Workspace) shown(ctx context.Context, plan *Plan) (*tfjson.Plan, error) {
	runner, err := w.terraform()
	if err != nil {
		return nil, err
	}
	shown, err := runner.ShowPlanFile(ctx, plan.file)
	if err != nil {
		return nil, w.explain(ctx, "the plan cannot be read", err, nil)
	}
	return shown, nil
}

// strangers lists what carries the environment's tags and is none of what the
// state knows, as the changes of a plan show it.
func (w *Workspace) strangers(ctx context.Context, changes []*tfjson.ResourceChange) ([]awscloud.Resource, error) {
	owned, err := w.Account.Owned(ctx)
	return unknownOf(owned, changes), err
}

// unknownOf leaves out what the state knows, as the changes of a plan show it.
func unknownOf(owned []awscloud.Resource, changes []*tfjson.ResourceChange) []awscloud.Resource {
	return slices.DeleteFunc(owned, func(resource awscloud.Resource) bool {
		return slices.ContainsFunc(changes, func(change *tfjson.ResourceChange) bool { return isKnown(change, resource) })
	})
}

// isKnown reports whether the resource is what the state has for the change.
func isKnown(change *tfjson.ResourceChange, resource awscloud.Resource) bool {
	before, ok := change.Change.Before.(map[string]any)
	if !ok {
		return false
	}
	for _, attribute := range []string{"arn", "association_arn"} {
		if arn, _ := before[attribute].(string); arn != "" && strings.TrimSuffix(arn, ":*") == strings.TrimSuffix(resource.ARN, ":*") {
			return true
		}
	}
	if members, ok := before["member_clusters"].([]any); ok { // the caches of a replication group
		_, _, name := awscloud.ARNParts(resource.ARN)
		if strings.Contains(resource.ARN, ":elasticache:") && slices.Contains(members, any(name)) {
			return true
		}
	}
	id, ok := importID(change.Type, resource.ARN)
	return ok && id == before["id"]
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
	if url, _ := after["url"].(string); url != "" {
		return id, strings.HasSuffix(resource.ARN, ":oidc-provider/"+strings.TrimPrefix(url, "https://"))
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
		"aws_iam_role":                        {"iam", "role/", ""},
		"aws_iam_openid_connect_provider":     {"iam", "oidc-provider/", ""},
		"aws_secretsmanager_secret":           {"secretsmanager", "secret:", ""},
	}
	kind, listed := known[resourceType]
	name, matches := strings.CutPrefix(rest, kind.prefix)
	if !listed || service != kind.service || !matches {
		return "", false
	}
	switch {
	case resourceType == "aws_secretsmanager_secret" || resourceType == "aws_iam_openid_connect_provider":
		return arn, true
	case resourceType == "aws_cloudwatch_log_group":
		return strings.TrimSuffix(name, ":*"), true
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
	for address, ids := range adopted {
		imports = append(imports, map[string]string{"to": address, "id": ids[0]})
	}
	text, err := json.Marshal(map[string]any{"import": imports})
	if err != nil {
		return err
	}
	return replaceFile(path, text)
}

// gone removes from the adoption what a plan could not import, and reports
// whether there was any.
func (a adoption) gone(diagnostics []Diagnostic) bool {
	any := false
	for _, d := range diagnostics {
		for address, ids := range a {
			if !saysGone(d, address, ids[0]) {
				continue
			}
			any = true
			if a[address] = ids[1:]; len(a[address]) == 0 {
				delete(a, address)
			}
		}
	}
	return any
}

// saysGone reports whether the diagnostic says that what was to be imported at the
// address is not there.
func saysGone(d Diagnostic, address, id string) bool {
	switch {
	case strings.Contains(d.Summary, "Cannot import non-existent remote object"):
		return strings.Contains(d.Detail, address) || strings.Contains(d.Detail, strings.ReplaceAll(address, `"`, `\"`))
	case strings.Contains(d.Summary+d.Detail, "No association found between route table ID"): // it names no address
		subnet, table, ok := strings.Cut(id, "/")
		return ok && strings.Contains(d.Summary+d.Detail, subnet) && strings.Contains(d.Summary+d.Detail, table)
	}
	return false
}
