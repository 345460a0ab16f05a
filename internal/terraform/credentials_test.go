//go:build unix

package terraform_test

import (
	"testing"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/terraform"
	testaws "github.com/gamemetrics/gmctl/internal/testenv/aws"
)

// The passwords of the services' users are made once, and stand nowhere but in
// Secrets Manager.
func TestCredentials(t *testing.T) {
	testaws.Terraform(t)
	testaws.Run(t).Setenv(t)
	binary, err := terraform.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	session, err := awscloud.Open(t.Context(), awscloud.Options{Region: testaws.Region})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w, err := terraform.Open(terraform.Options{
		Binary: binary, Dir: dir, Environment: "dev", Targets: []string{"module.credentials"},
		Variables: map[string]any{"account_id": testaws.AccountID, "region": testaws.Region, "environment_id": environmentID},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Apply(t.Context(), plan(t, w, engine.GoalPresent), &updates{}); err != nil {
		t.Fatal(explained(err))
	}
	passwords := map[string]bool{}
	for name, user := range map[string]string{"gamemetrics-dev/database": "gamemetrics_app", "gamemetrics-dev/kafka": "gamemetrics"} {
		value, err := session.Secret(t.Context(), name)
		if err != nil || value.Fields["username"] != user || len(value.Fields["password"]) < 32 || passwords[value.Fields["password"]] {
			t.Errorf("%s: %v, %v", name, value, err)
		}
		passwords[value.Fields["password"]] = true
	}
	if again := plan(t, w, engine.GoalPresent); len(again.Changes) > 0 {
		t.Errorf("there is still something to do: %+v", again.Changes)
	}
	noSecretIn(t, dir, 2, map[string]string{})
}
