//go:build unix

package terraform_test

import (
	"maps"
	"os/exec"
	"strings"
	"testing"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/terraform"
	testaws "github.com/gamemetrics/gmctl/internal/testenv/aws"
)

func TestEnvironmentsAreValid(t *testing.T) {
	testaws.Terraform(t)
	binary, err := terraform.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, environment := range []string{"dev", "prod"} {
		t.Run(environment, func(t *testing.T) {
			dir := t.TempDir()
			w, err := terraform.Open(terraform.Options{Binary: binary, Dir: dir, Environment: environment, Variables: map[string]any{}})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Init(t.Context()); err != nil {
				t.Fatal(err)
			}
			tree := dir + "/tree"
			for _, args := range [][]string{{"-chdir=" + tree + "/environments/" + environment, "validate", "-no-color"}, {"fmt", "-check", "-diff", "-recursive", tree}} {
				if output, err := exec.CommandContext(t.Context(), binary.Path, args...).CombinedOutput(); err != nil {
					t.Errorf("terraform %s: %v\n%s", args[len(args)-2], err, output)
				}
			}
		})
	}
}

// What a user may write wrongly is refused with the variable's own words,
// before anything is asked of AWS.
func TestVariablesAreValidated(t *testing.T) {
	testaws.Terraform(t)
	testaws.Run(t).Setenv(t)
	binary, err := terraform.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	open := func(wrong map[string]any) *terraform.Workspace {
		variables := map[string]any{"account_id": testaws.AccountID, "region": testaws.Region, "environment_id": environmentID}
		maps.Copy(variables, wrong)
		w, err := terraform.Open(terraform.Options{Binary: binary, Dir: dir, Environment: "dev", Variables: variables})
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	_, err = open(map[string]any{"environment_id": "x"}).Plan(t.Context(), engine.GoalPresent)
	if p := problem.From(err); p == nil || p.What != "a value of gmctl.yaml cannot be used" || !strings.Contains(p.Error(), "8 to 32") {
		t.Errorf("%v", err)
	}
	open(map[string]any{
		"network":     map[string]any{"cidr": "10.0.0.0/24", "nat": "two", "availability_zones": 1},
		"kubernetes":  map[string]any{"version": "1.33.1", "administrators": []string{"mia"}, "public_access_cidrs": []string{"all"}},
		"node_groups": map[string]any{"system": group(4, 3, 4)},
		"database":    map[string]any{"engine_version": "14", "backup_days": 0, "instance_class": "t3.large"},
		"redis":       map[string]any{"nodes": 7},
	})
	plan := exec.CommandContext(t.Context(), binary.Path, "-chdir="+dir+"/tree/environments/dev", "plan", "-no-color", "-lock=false")
	output, err := plan.CombinedOutput()
	if err == nil {
		t.Error("it was accepted")
	}
	said := strings.Join(strings.Fields(strings.ReplaceAll(string(output), "│", "")), " ") // as it was before it was wrapped
	for _, says := range []string{
		"between /16 and /20", `"per-zone"`, "use 2 or 3", "minor version alone", "ARN of an IAM role", "Each must be a CIDR",
		"system, application and data", "Sizes must be ordered", "PostgreSQL 15 or later", "1 to 35 days", `begin with "db."`, "1 to 6 nodes",
	} {
		if !strings.Contains(said, says) {
			t.Errorf("it does not say %q:\n%s", says, output)
		}
	}
}

func group(minimum, desired, maximum int) map[string]any {
	return map[string]any{"instance_types": []string{"t3.large"}, "min_size": minimum, "desired_size": desired, "max_size": maximum}
}
