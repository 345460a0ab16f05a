//go:build unix

package image_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/stage/image"
	"github.com/gamemetrics/gmctl/internal/terraform"
	testaws "github.com/gamemetrics/gmctl/internal/testenv/aws"
	"github.com/gamemetrics/gmctl/internal/testenv/binary"
)

type updates struct {
	mu  sync.Mutex
	all []engine.Update
}

func (u *updates) Report(update engine.Update) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = append(u.all, update)
}

func openSession(ctx context.Context) (*awscloud.Session, error) {
	return awscloud.Open(ctx, awscloud.Options{Region: testaws.Region})
}

func linux(architecture string) []string { return []string{"GOOS=linux", "GOARCH=" + architecture} }

// repository makes one, as Terraform does, and returns where it is.
func repository(t *testing.T) string {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made, err := ecr.NewFromConfig(cfg).CreateRepository(t.Context(), &ecr.CreateRepositoryInput{
		RepositoryName: aws.String("gamemetrics-dev/gmctl"), ImageTagMutability: types.ImageTagMutabilityImmutable,
	})
	if err != nil {
		t.Fatal(err)
	}
	return *made.Repository.RepositoryUri
}

// plan is the one change that the stage plans; the zero Change: none.
func plan(t *testing.T, stage *image.Stage, goal engine.Goal) engine.Change {
	t.Helper()
	plan, err := stage.Plan(t.Context(), goal)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Changes) == 0 {
		return engine.Change{}
	}
	return plan.Changes[0]
}

func health(t *testing.T, stage *image.Stage) engine.Health {
	t.Helper()
	health, err := stage.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return health
}

// stageOf is the stage with an image of a program that does nothing.
func stageOf(t *testing.T, outputs func(context.Context) (*terraform.Outputs, error)) *image.Stage {
	t.Helper()
	program := binary.Tiny(t, filepath.Join(t.TempDir(), "gmctl"), linux("amd64"))
	return image.New(image.Options{
		Open: openSession, Outputs: outputs,
		Source: image.Self, Cache: t.TempDir(), Program: func() (string, error) { return program, nil },
	})
}

func nothingThere(context.Context) (*terraform.Outputs, error) { return nil, terraform.ErrNothingThere }

func TestBeforeThereIsARepository(t *testing.T) {
	stage := stageOf(t, nothingThere)
	change := plan(t, stage, engine.GoalPresent)
	if change.Action != engine.ActionCreate || !strings.Contains(change.Detail, "for linux/amd64") || !strings.Contains(change.Detail, "MiB") {
		t.Errorf("%+v", change)
	}
	if health := health(t, stage); health.State != engine.StateAbsent {
		t.Errorf("%+v", health)
	}
	if gone := plan(t, stage, engine.GoalAbsent); gone != (engine.Change{}) {
		t.Errorf("%+v", gone)
	}
	if reference, err := stage.Reference(t.Context()); !errors.Is(err, terraform.ErrNothingThere) {
		t.Errorf("it is already called %s, %v", reference, err)
	}
	if err := stage.Destroy(t.Context(), &updates{}); err != nil {
		t.Error(err)
	}
}

func TestLifeOfAnImage(t *testing.T) {
	testaws.Run(t).Setenv(t)
	outputs := terraform.Outputs{Repositories: map[string]string{"gmctl": repository(t)}}
	stage := stageOf(t, func(context.Context) (*terraform.Outputs, error) { return &outputs, nil })

	before := plan(t, stage, engine.GoalPresent)
	if before.Action != engine.ActionCreate {
		t.Errorf("%+v", before)
	}
	if health := health(t, stage); health.State != engine.StateDegraded || health.Problem.Next != "push it: gmctl up --only image" {
		t.Errorf("%+v", health)
	}
	reference, err := stage.Reference(t.Context())
	if err != nil || !strings.HasPrefix(reference, outputs.Repositories["gmctl"]+"@sha256:") {
		t.Fatalf("%s, %v", reference, err)
	}

	told := &updates{}
	for range 2 { // the second finds nothing to do
		if err := stage.Apply(t.Context(), told); err != nil {
			t.Fatal(err)
		}
	}
	if last := told.all[len(told.all)-1]; last.Done != last.Total || last.Unit != "bytes" || last.Total == 0 {
		t.Errorf("%+v", last)
	}
	if kept := plan(t, stage, engine.GoalPresent); kept != (engine.Change{}) {
		t.Errorf("%+v", kept)
	}
	if health := health(t, stage); health.State != engine.StateReady || health.Summary != before.Detail {
		t.Errorf("%+v", health)
	}
	ref, err := name.NewDigest(reference)
	if err != nil {
		t.Fatal(err)
	}
	if pulled, err := remote.Image(ref); err != nil {
		t.Error(err)
	} else if layers, err := pulled.Layers(); err != nil || len(layers) != 2 {
		t.Errorf("%d layers, %v", len(layers), err)
	}

	// Away with it, and once more.
	if gone := plan(t, stage, engine.GoalAbsent); gone.Action != engine.ActionDelete || gone.Detail != "2 manifests" {
		t.Errorf("%+v", gone)
	}
	for range 2 {
		if err := stage.Destroy(t.Context(), told); err != nil {
			t.Fatal(err)
		}
	}
	if missing := plan(t, stage, engine.GoalPresent); missing != before {
		t.Errorf("%+v", missing)
	}
	if err := stage.Apply(t.Context(), told); err != nil {
		t.Errorf("again: %v", err)
	}
}

// A gmctl that does not run in a cluster makes no image of itself, and says
// what to do.
func TestSourceThatIsNone(t *testing.T) {
	mac := binary.Tiny(t, filepath.Join(t.TempDir(), "gmctl"), []string{"GOOS=darwin", "GOARCH=arm64"})
	for _, c := range []struct{ source, says string }{
		{image.Self, "it is for darwin/arm64"},
		{t.TempDir(), "is for Linux"},
		{"ghcr.io/gamemetrics/gmctl@latest", "names no image"},
	} {
		stage := image.New(image.Options{Source: c.source, Cache: t.TempDir(), Program: func() (string, error) { return mac, nil }})
		_, err := stage.Plan(t.Context(), engine.GoalPresent)
		if p := problem.From(err); p == nil || p.Kind != problem.Usage || p.Next == "" || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.source, err)
		}
	}
}

func TestFolderOfBinaries(t *testing.T) {
	dir := t.TempDir()
	for _, architecture := range []string{"amd64", "arm64"} {
		binary.Tiny(t, filepath.Join(dir, architecture, "gmctl"), linux(architecture))
	}
	stage := image.New(image.Options{
		Source: dir, Cache: t.TempDir(), Outputs: nothingThere})
	if made := plan(t, stage, engine.GoalPresent); !strings.Contains(made.Detail, "for linux/amd64 and linux/arm64") {
		t.Errorf("%+v", made)
	}
}
