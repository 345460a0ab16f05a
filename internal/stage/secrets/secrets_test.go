//go:build unix

package secrets_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/kube"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/stage/secrets"
	testaws "github.com/gamemetrics/gmctl/internal/testenv/aws"
	testkube "github.com/gamemetrics/gmctl/internal/testenv/kube"
)

const (
	password = "correct-horse-battery-staple"
	rotated  = "another-horse-battery-staple"
)

// told keeps all that a stage says.
type told struct{ text strings.Builder }

func (t *told) Report(update engine.Update) { fmt.Fprintf(&t.text, "%+v\n", update) }

func (t *told) add(what any, err error) { fmt.Fprintf(&t.text, "%+v %#v %v\n", what, what, err) }

// world is an account with one secret, and a cluster.
type world struct {
	vault  *secretsmanager.Client
	arn    string
	kube   kubernetes.Interface
	client *kube.Client
	stage  *secrets.Stage
}

func newWorld(t *testing.T) *world {
	t.Helper()
	account := testaws.Run(t)
	account.Setenv(t)
	cluster := testkube.Run(t, testkube.Options{})
	admin := cluster.AdminConfig()
	w := &world{}
	var err error
	if w.kube, err = kubernetes.NewForConfig(admin); err != nil {
		t.Fatal(err)
	}
	if w.client, err = kube.Open(kube.Config{Host: admin.Host, CA: admin.CAData, ClientCert: admin.CertData, ClientKey: admin.KeyData}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.kube.CoreV1().Namespaces().Create(t.Context(), &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: "apps"}}, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.vault = secretsmanager.NewFromConfig(cfg)
	made, err := w.vault.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("test/database"), SecretString: aws.String(login(t, password))})
	if err != nil {
		t.Fatal(err)
	}
	w.arn = aws.ToString(made.ARN)
	session, err := awscloud.Open(t.Context(), awscloud.Options{Region: testaws.Region})
	if err != nil {
		t.Fatal(err)
	}
	names := []secrets.Copy{{Namespace: "apps", Name: "database", Fields: []string{"username", "password"}}}
	w.stage = secrets.New(secrets.Options{
		Vault:   func(context.Context) (secrets.Vault, error) { return session, nil },
		Cluster: func(context.Context) (secrets.Cluster, error) { return w.client, nil },
		Copies: func(context.Context) ([]secrets.Copy, error) {
			copied := names[0]
			copied.Source = w.arn
			return []secrets.Copy{copied}, nil
		},
		Names: names,
	})
	return w
}

func login(t *testing.T, password string) string {
	t.Helper()
	text, err := json.Marshal(map[string]string{"username": "gamer", "password": password})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (w *world) put(t *testing.T, text string) {
	t.Helper()
	if _, err := w.vault.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String(w.arn), SecretString: aws.String(text)}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) get(t *testing.T) *core.Secret {
	t.Helper()
	secret, err := w.kube.CoreV1().Secrets("apps").Get(t.Context(), "database", meta.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// isCopied holds the copy against what its source must hold.
func (w *world) isCopied(t *testing.T, password string) {
	t.Helper()
	copied := w.get(t)
	if string(copied.Data["password"]) != password || string(copied.Data["username"]) != "gamer" {
		t.Error("the copy is not as its source")
	}
	if copied.Annotations[secrets.AnnotationSource] != w.arn || copied.Annotations[secrets.AnnotationVersion] == "" {
		t.Errorf("the copy says of its source %v", copied.Annotations)
	}
}

// The life of a copy: made, seen to be behind after a rotation and after a change
// in the cluster, copied again, removed. In all that is said on the way no value
// stands.
func TestLife(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	said := &told{}
	wants := func(goal engine.Goal, action engine.Action, detail string) {
		t.Helper()
		plan, err := w.stage.Plan(ctx, goal)
		said.add(plan, err)
		if err != nil || len(plan.Changes) != 1 || plan.Changes[0].Action != action || !strings.Contains(plan.Changes[0].Detail, detail) {
			t.Fatalf("planned %+v, %v; want to %s: %s", plan, err, action, detail)
		}
	}
	apply := func() {
		t.Helper()
		if err := w.stage.Apply(ctx, said); err != nil {
			t.Fatal(err)
		}
		if plan, err := w.stage.Plan(ctx, engine.GoalPresent); err != nil || !plan.Empty() {
			t.Fatalf("applied, and planned again: %+v, %v", plan, err)
		}
	}
	state := func(want engine.State) {
		t.Helper()
		health, err := w.stage.Check(ctx)
		said.add(health, err)
		if err != nil || health.State != want {
			t.Fatalf("health %+v, %v; want %s", health, err, want)
		}
	}

	state(engine.StateAbsent)
	wants(engine.GoalPresent, engine.ActionCreate, "from "+w.arn)
	apply()
	state(engine.StateReady)
	w.isCopied(t, password)
	versions := func() string {
		t.Helper()
		found, err := w.stage.Versions(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return found["apps/database"]
	}
	before := versions()

	w.put(t, login(t, rotated))
	wants(engine.GoalPresent, engine.ActionUpdate, "new version")
	state(engine.StateDegraded)
	between := versions()
	apply()
	w.isCopied(t, rotated)
	// Pods made between the rotation and the copying have read the old password.
	if after := versions(); after == before || after == between || between == before {
		t.Errorf("the versions are %q, before the copying %q, after it %q", before, between, after)
	}

	changed := w.get(t)
	changed.Data["password"] = []byte("changed by hand")
	if _, err := w.kube.CoreV1().Secrets("apps").Update(ctx, changed, meta.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	wants(engine.GoalPresent, engine.ActionUpdate, "changed in the cluster")
	apply()

	wants(engine.GoalAbsent, engine.ActionDelete, "")
	for range 2 {
		if err := w.stage.Destroy(ctx, said); err != nil {
			t.Fatal(err)
		}
	}
	if plan, err := w.stage.Plan(ctx, engine.GoalAbsent); err != nil || !plan.Empty() {
		t.Errorf("destroyed, and planned again: %+v, %v", plan, err)
	}
	for _, value := range []string{password, rotated} {
		if strings.Contains(said.text.String(), value) {
			t.Errorf("a password was said:\n%s", said.text.String())
		}
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	w := newWorld(t)
	w.put(t, `{"username": "gamer"}`)
	err := w.stage.Apply(t.Context(), &told{})
	if p := problem.From(err); p == nil || !strings.Contains(p.What, "has no password") || p.Next == "" {
		t.Errorf("a field is missing: %+v", p)
	}
	w.put(t, "not JSON, "+password)
	err = w.stage.Apply(t.Context(), &told{})
	if p := problem.From(err); p == nil || p.Next == "" || strings.Contains(p.Error(), password) {
		t.Errorf("no JSON: %+v", p)
	}
	there := secrets.New(secrets.Options{
		Cluster: func(context.Context) (secrets.Cluster, error) { return nil, kube.ErrNotThere },
		Names:   []secrets.Copy{{Namespace: "apps", Name: "database"}},
	})
	if plan, err := there.Plan(t.Context(), engine.GoalPresent); err != nil || plan.Deferred == "" {
		t.Errorf("before there is a cluster: %+v, %v", plan, err)
	}
	if err := there.Destroy(t.Context(), &told{}); err != nil {
		t.Error(err)
	}
	if _, err := w.vault.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String(w.arn), ForceDeleteWithoutRecovery: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.stage.Plan(t.Context(), engine.GoalPresent); problem.From(err).Next == "" || errors.Is(err, kube.ErrNotThere) {
		t.Errorf("the source is gone: %v", err)
	}
}

// A secret that has no source is made once, keeps its value, and is made anew where
// somebody has deleted it.
func TestASecretOfTheClusterIsMadeOnce(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	made, said := 0, &told{}
	stage := secrets.New(secrets.Options{
		Vault:   func(context.Context) (secrets.Vault, error) { return nil, nil }, // it is asked for nothing
		Cluster: func(context.Context) (secrets.Cluster, error) { return w.client, nil },
		Copies:  func(context.Context) ([]secrets.Copy, error) { return nil, nil },
		Made: []secrets.Made{{Namespace: "apps", Name: "own", Field: "key", New: func() string {
			made++
			return fmt.Sprint("random-", made)
		}}},
	})
	wants := func(goal engine.Goal, action engine.Action) {
		t.Helper()
		plan, err := stage.Plan(ctx, goal)
		said.add(plan, err)
		if err != nil || len(plan.Changes) != 1 || plan.Changes[0].Action != action || plan.Changes[0].Object != "secret apps/own" {
			t.Fatalf("planned %+v, %v; want to %s", plan, err, action)
		}
	}
	apply := func(value string) (version string) {
		t.Helper()
		if err := stage.Apply(ctx, said); err != nil {
			t.Fatal(err)
		}
		found, err := w.client.Secret(ctx, "apps", "own")
		if err != nil || found == nil || string(found.Data["key"]) != value {
			t.Fatalf("it is there as %v, %v", found, err)
		}
		versions, err := stage.Versions(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return versions["apps/own"]
	}
	wants(engine.GoalPresent, engine.ActionCreate)
	first := apply("random-1")
	if again := apply("random-1"); again != first || made != 1 {
		t.Errorf("the version %q becomes %q, made %d times", first, again, made)
	}
	if err := w.kube.CoreV1().Secrets("apps").Delete(ctx, "own", meta.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	wants(engine.GoalPresent, engine.ActionCreate)
	if after := apply("random-2"); after == first {
		t.Errorf("the version stays %q", after)
	}
	wants(engine.GoalAbsent, engine.ActionDelete)
	if err := stage.Destroy(ctx, said); err != nil {
		t.Fatal(err)
	}
	if plan, err := stage.Plan(ctx, engine.GoalAbsent); err != nil || !plan.Empty() {
		t.Errorf("removed, and planned %+v, %v", plan, err)
	}
	if strings.Contains(said.text.String(), "random-") {
		t.Error("its value was said on the way")
	}
}
