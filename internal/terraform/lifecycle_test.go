//go:build unix

package terraform_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/terraform"
	"github.com/gamemetrics/gmctl/internal/testenv"
	testaws "github.com/gamemetrics/gmctl/internal/testenv/aws"
)

// updates collects what an apply tells.
type updates struct {
	mu  sync.Mutex
	all []engine.Update
}

func (u *updates) Report(update engine.Update) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = append(u.all, update)
}

func (u *updates) last() engine.Update {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.all) == 0 {
		return engine.Update{}
	}
	return u.all[len(u.all)-1]
}

func (u *updates) said(text string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, update := range u.all {
		if strings.Contains(update.Message, text) {
			return true
		}
	}
	return false
}

// until waits for the n-th resource to be done.
func (u *updates) until(t *testing.T, n int64) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); u.last().Done < n; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not %d resources in time: %+v", n, u.last())
		}
	}
}

// openDev opens the environment dev in the emulated account.
func openDev(ctx context.Context, dir string) (*terraform.Workspace, error) {
	binary, err := terraform.Find(ctx)
	if err != nil {
		return nil, err
	}
	session, err := awscloud.Open(ctx, awscloud.Options{Region: testaws.Region})
	if err != nil {
		return nil, err
	}
	return terraform.Open(terraform.Options{
		Binary: binary, Dir: dir, Environment: "dev",
		Account: account{session},
		Backend: &terraform.S3{Bucket: stateBucket, Key: stateKey, Region: testaws.Region},
		Variables: map[string]any{
			"account_id": testaws.AccountID, "region": testaws.Region, "environment_id": environmentID,
			"kubernetes": map[string]any{"administrators": []string{"arn:aws:iam::" + testaws.AccountID + ":role/platform"}},
		},
	})
}

// account is the emulated one, as far as the environment is there.
type account struct{ *awscloud.Session }

func (a account) Owned(ctx context.Context) ([]awscloud.Resource, error) {
	tags := map[string]string{"EnvironmentId": environmentID}
	owned, err := a.Session.Owned(ctx, tags)
	if err != nil {
		return nil, err
	}
	roles, err := a.OwnedIAM(ctx, "gamemetrics-dev-", tags)
	return append(owned, roles...), err
}

const (
	environmentID = "0123456789ab"
	stateBucket   = "gmctl-state-" + testaws.AccountID + "-" + testaws.Region
	stateKey      = "gamemetrics/dev/terraform.tfstate"
	applyIn       = "GMCTL_TEST_APPLY_IN"
)

// TestMain is the gmctl that a test kills, where it is started as that.
func TestMain(m *testing.M) {
	if dir := os.Getenv(applyIn); dir != "" {
		if err := applyAlone(context.Background(), dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func applyAlone(ctx context.Context, dir string) error {
	w, err := openDev(ctx, dir)
	if err != nil {
		return err
	}
	plan, err := w.Plan(ctx, engine.GoalPresent)
	if err != nil {
		return err
	}
	return w.Apply(ctx, plan, &updates{})
}

// The life of the environment dev, with the real Terraform and its real AWS
// provider: applied, with Ctrl-C and a kill in between, found as wanted,
// destroyed, with a kill in between, and gone.
func TestDevLivesThroughKills(t *testing.T) {
	testenv.Long(t, testenv.AWS, "5 minutes")
	testaws.Terraform(t)
	testaws.Run(t).Setenv(t)
	session, err := awscloud.Open(t.Context(), awscloud.Options{Region: testaws.Region})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.EnsureStateBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w, err := openDev(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Outputs(t.Context()); !errors.Is(err, terraform.ErrNothingThere) {
		t.Fatalf("outputs of nothing: %v", err)
	}

	interrupted(t, w)
	gmctlKilled(t, w, dir)
	applied(t, w, session)
	noSecretIn(t, dir, 4, map[string]string{"the state": storedState(t)})
	destroyed(t, w, session)
}

func plan(t *testing.T, w *terraform.Workspace, goal engine.Goal) *terraform.Plan {
	t.Helper()
	plan, err := w.Plan(t.Context(), goal)
	if err != nil {
		t.Fatal(explained(err))
	}
	return plan
}

func explained(err error) string {
	p := problem.From(err)
	return fmt.Sprintf("%v; next: %s", err, p.Next)
}

// interrupted presses Ctrl-C when a third of the resources are there.
func interrupted(t *testing.T, w *terraform.Workspace) {
	first := plan(t, w, engine.GoalPresent)
	for _, change := range first.Changes {
		if change.Action != engine.ActionCreate {
			t.Errorf("in an empty account: %+v", change)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := &updates{}
	ended := make(chan error, 1)
	go func() { ended <- w.Apply(ctx, first, told) }()
	told.until(t, 30)
	cancel()
	began := time.Now()
	err := <-ended
	if p := problem.From(err); p == nil || p.Kind != problem.Cancelled {
		t.Fatalf("interrupted: %v", err)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s to stop", took)
	}
	if last := told.last(); last.Total != int64(len(first.Changes)) || last.Unit != "resources" {
		t.Errorf("progress: %+v", last)
	}
}

// gmctlKilled kills a gmctl while its terraform works, and follows that to its end.
func gmctlKilled(t *testing.T, w *terraform.Workspace, dir string) {
	gmctl := exec.Command(os.Args[0], "-test.run=^$")
	gmctl.Env = append(os.Environ(), applyIn+"="+dir)
	gmctl.Stderr = os.Stderr
	if err := gmctl.Start(); err != nil {
		t.Fatal(err)
	}
	waitForWork(t, w)
	time.Sleep(5 * time.Second) // somewhere in the middle
	if err := gmctl.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = gmctl.Wait() // killed
	told := &updates{}
	if err := w.Await(t.Context(), told); err != nil {
		t.Fatal(explained(err))
	}
	if !told.said("the terraform of an earlier run to finish") || !told.said("RDS database to be created") {
		t.Errorf("it was not followed: %+v", told.all)
	}
	if pid, err := w.AtWork(); pid != 0 || err != nil {
		t.Errorf("still at work: %d, %v", pid, err)
	}
}

func waitForWork(t *testing.T, w *terraform.Workspace) int {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if pid, _ := w.AtWork(); pid != 0 { // its record may not be written yet
			return pid
		}
	}
	t.Fatal("no terraform began")
	return 0
}

// applied finds the environment as wanted.
func applied(t *testing.T, w *terraform.Workspace, session *awscloud.Session) {
	rest := plan(t, w, engine.GoalPresent)
	if len(rest.Changes) > 0 {
		t.Logf("left to do after the kill: %+v", rest.Changes)
		if err := w.Apply(t.Context(), rest, &updates{}); err != nil {
			t.Fatal(explained(err))
		}
	}
	if again := plan(t, w, engine.GoalPresent); len(again.Changes) > 0 {
		t.Errorf("the plan is not empty after an apply: %+v", again.Changes)
	}
	outputs, err := w.Outputs(t.Context())
	if err != nil {
		t.Fatal(explained(err))
	}
	if outputs.Cluster.Name != "gamemetrics-dev" || outputs.Database.Name != "gamemetrics" || len(outputs.Network.PrivateSubnets) != 3 {
		t.Errorf("%+v", outputs)
	}
	for _, bucket := range []string{"logs", "backups", "artifacts", "velero"} {
		if outputs.Buckets[bucket].Name == "" {
			t.Errorf("no bucket %s: %+v", bucket, outputs.Buckets)
		}
	}
	if owned := ownedBy(t, session); len(owned) < 40 {
		t.Errorf("only %d resources carry the environment's tags", len(owned))
	}
}

// storedState is the state in the bucket.
func storedState(t *testing.T) string {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key, bucket := stateKey, stateBucket
	object, err := s3.NewFromConfig(cfg).GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer object.Body.Close()
	stored, err := readAll(object.Body)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// noSecretIn looks for the values of the account's n secrets in what stands
// below dir and in what else was written.
func noSecretIn(t *testing.T, dir string, n int, written map[string]string) {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	secrets := secretsmanager.NewFromConfig(cfg)
	list, err := secrets.ListSecrets(t.Context(), nil)
	if err != nil || len(list.SecretList) != n {
		t.Fatalf("secrets: %+v, %v", list, err)
	}
	err = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.Contains(path, "/.terraform/providers/") {
			return err
		}
		content, err := os.ReadFile(path)
		written[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range list.SecretList {
		value, err := secrets.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: secret.ARN})
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]string
		if err := json.Unmarshal([]byte(*value.SecretString), &fields); err != nil {
			t.Fatal(err)
		}
		for name, field := range fields {
			for where, text := range written {
				if name != "username" && strings.Contains(text, field) {
					t.Errorf("%s of %s stands in %s", name, *secret.Name, where)
				}
			}
		}
	}
}

// destroyed kills terraform itself while it destroys, which leaves its lock on
// the state, and destroys the rest.
func destroyed(t *testing.T, w *terraform.Workspace, session *awscloud.Session) {
	first := plan(t, w, engine.GoalAbsent)
	told := &updates{}
	ended := make(chan error, 1)
	go func() { ended <- w.Apply(t.Context(), first, told) }()
	told.until(t, 20)
	if err := syscall.Kill(waitForWork(t, w), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("killed: %v", err)
	}
	told = &updates{}
	if err := w.Apply(t.Context(), plan(t, w, engine.GoalAbsent), told); err != nil {
		t.Fatal(explained(err))
	}
	if !told.said("removing the lock of a terraform that was killed") {
		t.Error("nothing was said of the lock that the killed terraform left")
	}
	if _, err := w.Outputs(t.Context()); !errors.Is(err, terraform.ErrNothingThere) {
		t.Errorf("outputs of a destroyed environment: %v", err)
	}
	if owned := ownedBy(t, session); len(owned) > 0 {
		t.Errorf("left behind: %v", owned)
	}
}

// ownedBy lists what is there with the environment's id.
func ownedBy(t *testing.T, session *awscloud.Session) []string {
	t.Helper()
	found, err := account{session}.Owned(t.Context())
	if err == nil {
		found, err = session.Present(t.Context(), found)
	}
	if err != nil {
		t.Fatal(err)
	}
	var owned []string
	for _, resource := range found {
		owned = append(owned, resource.ARN)
	}
	return owned
}

func readAll(r io.Reader) (string, error) {
	content, err := io.ReadAll(r)
	return string(content), err
}
