//go:build unix

package terraform_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/terraform"
	"github.com/gamemetrics/gmctl/internal/testenv"
	testaws "github.com/gamemetrics/gmctl/internal/testenv/aws"
)

// What an apply has made and not written down is found by its tags and taken
// over, not made a second time.
func TestLostStateIsFoundAgain(t *testing.T) {
	testenv.Long(t, testenv.AWS, "30 seconds")
	testaws.Terraform(t)
	testaws.Run(t).Setenv(t)
	session, err := awscloud.Open(t.Context(), awscloud.Options{Region: testaws.Region})
	if err != nil {
		t.Fatal(err)
	}
	binary, err := terraform.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w, err := terraform.Open(terraform.Options{
		Binary: binary, Dir: dir, Environment: "dev",
		Variables: map[string]any{"account_id": testaws.AccountID, "region": testaws.Region, "environment_id": environmentID},
		Targets: []string{
			"module.network.aws_subnet.private", "module.network.aws_eip.nat", "module.eks.aws_launch_template.node",
			"module.redis.aws_secretsmanager_secret.auth", "module.credentials.aws_secretsmanager_secret.this",
			"module.registry.aws_ecr_repository.this", "module.storage.aws_s3_bucket.this",
		},
		Account: account{session},
	})
	if err != nil {
		t.Fatal(err)
	}
	first := plan(t, w, engine.GoalPresent)
	if err := w.Apply(t.Context(), first, &updates{}); err != nil {
		t.Fatal(explained(err))
	}
	before := ownedBy(t, session)
	if len(before) < len(first.Changes) {
		t.Fatalf("%d resources were made, %d carry the tags", len(first.Changes), len(before))
	}

	for _, lost := range []string{"terraform.tfstate", "terraform.tfstate.backup"} {
		if err := os.Remove(filepath.Join(dir, lost)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "apply.half"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	found := plan(t, w, engine.GoalPresent)
	if len(found.Changes) != len(first.Changes) {
		t.Errorf("%d of %d were found", len(found.Changes), len(first.Changes))
	}
	for _, change := range found.Changes {
		if change.Action == engine.ActionCreate || change.Action == engine.ActionReplace {
			t.Errorf("it would be made a second time: %+v", change)
		}
	}
	if err := w.Apply(t.Context(), found, &updates{}); err != nil {
		t.Fatal(explained(err))
	}
	if again := plan(t, w, engine.GoalPresent); len(again.Changes) > 0 {
		t.Errorf("there is still something to do: %+v", again.Changes)
	}
	slices.Sort(before)
	after := ownedBy(t, session)
	slices.Sort(after)
	if !slices.Equal(after, before) {
		t.Errorf("before %v\nafter %v", before, after)
	}
}
