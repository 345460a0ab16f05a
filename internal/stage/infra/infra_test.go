//go:build unix

package infra_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/stage/infra"
	"github.com/gamemetrics/gmctl/internal/testenv"
	testaws "github.com/gamemetrics/gmctl/internal/testenv/aws"
)

type updates struct {
	mu  sync.Mutex
	all []string
}

func (u *updates) Report(update engine.Update) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = append(u.all, update.Message)
}

func (u *updates) said(text string) bool {
	return slices.ContainsFunc(u.all, func(message string) bool { return strings.Contains(message, text) })
}

func openSession(ctx context.Context) (*awscloud.Session, error) {
	return awscloud.Open(ctx, awscloud.Options{Region: testaws.Region})
}

func dev(t *testing.T) infra.Options {
	t.Helper()
	return infra.Options{
		Open: openSession, Dir: t.TempDir(), Project: "gamemetrics", Environment: "dev", ID: "0123456789ab", Template: "dev",
		Variables: map[string]any{"database": map[string]any{"deletion_protection": true}},
	}
}

func change(t *testing.T, plan engine.Plan, object string) engine.Change {
	t.Helper()
	for _, change := range plan.Changes {
		if change.Object == object {
			return change
		}
	}
	t.Errorf("no %s in %+v", object, plan.Changes)
	return engine.Change{}
}

// A plan that waits for the terraform of an earlier run knows what is wanted all
// the same: else the next run would take the stage for changed.
func TestPlanWhileTerraformIsAtWork(t *testing.T) {
	testaws.Terraform(t)
	testaws.Run(t).Setenv(t)
	options := dev(t)
	options.LocalState = true
	for name, content := range map[string]string{"apply.lock": "", "apply.json": `{"pid": 4711}`} {
		if err := os.WriteFile(filepath.Join(options.Dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	busy, err := os.Open(filepath.Join(options.Dir, "apply.lock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(busy.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	meanwhile, err := infra.New(options).Plan(t.Context(), engine.GoalPresent)
	if err != nil || !strings.Contains(meanwhile.Deferred, "process 4711") {
		t.Fatalf("%+v, %v", meanwhile, err)
	}
	if err := busy.Close(); err != nil {
		t.Fatal(err)
	}
	after, err := infra.New(options).Plan(t.Context(), engine.GoalPresent)
	if err != nil || after.Deferred != "" || after.Fingerprint == "" || after.Fingerprint != meanwhile.Fingerprint {
		t.Errorf("then %q, now %q (%s), %v", meanwhile.Fingerprint, after.Fingerprint, after.Deferred, err)
	}
}

func TestEmptyAccount(t *testing.T) {
	testaws.Terraform(t)
	testaws.Run(t).Setenv(t)
	options := dev(t)
	short, err := infra.New(options).Plan(t.Context(), engine.GoalPresent)
	if err != nil || len(short.Changes) != 1 || short.Deferred == "" || short.Fingerprint == "" {
		t.Errorf("without a preview: %+v, %v", short, err)
	}
	options.Preview = true
	stage := infra.New(options)
	plan, err := stage.Plan(t.Context(), engine.GoalPresent)
	if err != nil {
		t.Fatal(err, problem.From(err).Next)
	}
	if plan.Fingerprint != short.Fingerprint || plan.Deferred != "" {
		t.Errorf("%+v is another plan than %+v", plan, short)
	}
	if bucket := change(t, plan, "S3 bucket gmctl-state-123456789012-eu-central-1"); bucket.Action != engine.ActionCreate {
		t.Errorf("%+v", bucket)
	}
	for _, object := range []string{"VPC", "EKS cluster", "EKS node group system", "EKS node group application", "EKS node group data", "RDS database", "Redis"} {
		if found := change(t, plan, object); found.Action != engine.ActionCreate || found.Holds != "" {
			t.Errorf("%+v", found)
		}
	}
	if rest := plan.Changes[len(plan.Changes)-1]; !strings.HasSuffix(rest.Object, " other resources") {
		t.Errorf("the rest is not counted: %+v", rest)
	}
	if health, err := stage.Check(t.Context()); err != nil || health.State != engine.StateAbsent {
		t.Errorf("%+v, %v", health, err)
	}
	if plan, err := stage.Plan(t.Context(), engine.GoalAbsent); err != nil || !plan.Empty() {
		t.Errorf("to remove: %+v, %v", plan, err)
	}
	if err := stage.Destroy(t.Context(), &updates{}); err != nil {
		t.Error(err)
	}
	session, err := openSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if there, err := session.HasStateBucket(t.Context()); there || err != nil {
		t.Errorf("looking has made the bucket of the state: %v", err)
	}
}

func TestWithoutTerraform(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := infra.New(dev(t)).Plan(t.Context(), engine.GoalPresent)
	if p := problem.From(err); p == nil || p.Kind != problem.Missing || p.Next == "" {
		t.Errorf("%v", err)
	}
}

func TestWrongCredentials(t *testing.T) {
	testaws.Terraform(t)
	options := dev(t)
	wrong := &problem.Error{What: "the AWS credentials have expired", Next: "get new ones"}
	options.Open = func(context.Context) (*awscloud.Session, error) { return nil, wrong }
	stage := infra.New(options)
	if _, err := stage.Plan(t.Context(), engine.GoalPresent); problem.From(err) != wrong {
		t.Errorf("plan: %v", err)
	}
	if err := stage.Apply(t.Context(), &updates{}); problem.From(err) != wrong {
		t.Errorf("apply: %v", err)
	}
	if _, err := stage.Check(t.Context()); problem.From(err) != wrong {
		t.Errorf("check: %v", err)
	}
	if err := stage.Destroy(t.Context(), &updates{}); problem.From(err) != wrong {
		t.Errorf("destroy: %v", err)
	}
}

// The life of the stage as the engine leads it: planned, applied, healthy,
// nothing to do, protected, and with its protection lifted, gone.
func TestLife(t *testing.T) {
	testenv.Long(t, testenv.AWS, "5 minutes")
	testaws.Terraform(t)
	testaws.Run(t).Setenv(t)
	options := dev(t)
	made(t, infra.New(options))
	destroyed(t, options)
}

func made(t *testing.T, stage *infra.Stage) {
	ctx := t.Context()
	if _, err := stage.Plan(ctx, engine.GoalPresent); err != nil {
		t.Fatal(err)
	}
	told := &updates{}
	if err := stage.Apply(ctx, told); err != nil {
		t.Fatal(err, problem.From(err).Next)
	}
	if !told.said("made the bucket") || !told.said("EKS cluster to be created") || !told.said("to take its token") {
		t.Errorf("%q", told.all)
	}
	if health, err := stage.Check(ctx); err != nil || health.State != engine.StateReady || len(health.Endpoints) != 3 {
		t.Errorf("%+v, %v", health, err)
	}
	again, err := stage.Plan(ctx, engine.GoalPresent)
	if err != nil || !again.Empty() || again.Fingerprint == "" {
		t.Errorf("planned again: %+v, %v", again, err)
	}
	outputs, err := stage.Outputs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	session, err := openSession(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if protected, err := session.RedisRequiresAuth(ctx, outputs.Redis.ID); !protected || err != nil {
		t.Errorf("Redis asks for no token: %v", err)
	}
	putObject(t, outputs.Buckets["logs"].Name)
}

func destroyed(t *testing.T, options infra.Options) {
	ctx := t.Context()
	err := infra.New(options).Destroy(ctx, &updates{})
	if p := problem.From(err); p == nil || !strings.Contains(p.What, "protected from deletion") || !strings.Contains(p.Next, "--unprotect") {
		t.Fatalf("a protected database: %v", err)
	}
	options.Unprotect = true
	stage := infra.New(options)
	gone, err := stage.Plan(ctx, engine.GoalAbsent)
	if err != nil {
		t.Fatal(err)
	}
	if database := change(t, gone, "RDS database"); database.Action != engine.ActionDelete || database.Holds == "" {
		t.Errorf("%+v", database)
	}
	told := &updates{}
	outputs, err := stage.Outputs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	unknown := makeStrange(t, outputs)
	if err := stage.Destroy(ctx, told); err != nil {
		t.Fatal(err, problem.From(err).Next)
	}
	if !told.said("lifting the protection") || !told.said("emptying bucket") {
		t.Errorf("%q", told.all)
	}
	unknown.gone(t, told)
	if plan, err := stage.Plan(ctx, engine.GoalAbsent); err != nil || !plan.Empty() {
		t.Errorf("left to remove: %+v, %v", plan, err)
	}
	if health, err := stage.Check(ctx); err != nil || health.State != engine.StateAbsent {
		t.Errorf("%+v, %v", health, err)
	}
}

func putObject(t *testing.T, bucket string) {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key := "today.log"
	if _, err := s3.NewFromConfig(cfg).PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
}
