// Package infra is the stage of what Terraform manages in AWS: network, cluster,
// database, cache, buckets, registry and roles.
package infra

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/terraform"
)

// Options describe an environment's infrastructure.
type Options struct {
	Open func(context.Context) (*awscloud.Session, error) // into the environment's account and region

	Dir         string            // for the workspace, the environment's own
	Project     string            // first part of the resources' names
	Environment string            // its name, the second part
	ID          string            // of the environment, made once: 8 to 32 lower-case letters and digits
	Template    string            // "dev" or "prod": the defaults of what Variables leave out
	Variables   map[string]any    // of the Terraform environment, but for names, ids and places
	Env         map[string]string // environment variables for terraform, such as AWS_PROFILE
	LocalState  bool              // keep the state in Dir, not in S3
	Unprotect   bool              // Destroy lifts the protection from deletion
	Preview     bool              // Plan has Terraform plan also where its state has no place yet
}

// Stage is the infrastructure.
type Stage struct {
	Options
	planned *planned // by the Plan before, in this process
}

// planned is what a Plan has found. It is good for a while, so that who shows a
// plan and then carries it out has Terraform look at everything but once; a state
// that changes meanwhile makes Terraform refuse it.
type planned struct {
	goal   engine.Goal
	at     time.Time
	result engine.Plan
	plan   *terraform.Plan // nil if there is nothing to do
}

// planGood is how long a plan is good.
const planGood = 10 * time.Minute

var _ engine.Stage = (*Stage)(nil)

// New returns the stage.
func New(options Options) *Stage { return &Stage{Options: options} }

// site is where the stage works: the account, and Terraform's workspace for it.
type site struct {
	session   *awscloud.Session
	workspace *terraform.Workspace
	noState   bool // the bucket of the state is not there; the workspace is for a preview
}

// visit finds terraform and the account, and changes nothing in it.
func (s *Stage) visit(ctx context.Context) (site, error) {
	binary, err := terraform.Find(ctx)
	if err != nil {
		return site{}, err
	}
	session, err := s.Open(ctx)
	if err != nil {
		return site{}, err
	}
	visited := site{session: session}
	if !s.LocalState {
		there, err := session.HasStateBucket(ctx)
		if err != nil {
			return site{}, err
		}
		visited.noState = !there
	}
	visited.workspace, err = terraform.Open(s.workspaceOptions(binary, visited, s.variables(session)))
	return visited, err
}

func (s *Stage) workspaceOptions(binary terraform.Binary, at site, variables map[string]any) terraform.Options {
	options := terraform.Options{
		Binary: binary, Dir: s.Dir, Environment: s.Template, Variables: variables, Env: s.Env,
		Account: s.account(at.session),
	}
	switch {
	case at.noState:
		options.Dir = filepath.Join(s.Dir, "preview")
	case !s.LocalState:
		options.Backend = &terraform.S3{
			Bucket: at.session.StateBucket(), Region: at.session.Region,
			Key: s.stateKey(),
		}
	}
	return options
}

func (s *Stage) variables(session *awscloud.Session) map[string]any {
	variables := maps.Clone(s.Variables)
	if variables == nil {
		variables = map[string]any{}
	}
	maps.Copy(variables, map[string]any{
		"project": s.Project, "environment": s.Environment, "environment_id": s.ID,
		"account_id": session.Account, "region": session.Region,
	})
	return variables
}

// tags are on everything that is the environment's.
func (s *Stage) tags() map[string]string {
	return map[string]string{"ManagedBy": "gmctl", "EnvironmentId": s.ID}
}

// Outputs returns what the infrastructure gives other stages; the error is
// terraform.ErrNothingThere before it is applied. They are read from the state:
// no terraform is needed, and one may be at work meanwhile.
func (s *Stage) Outputs(ctx context.Context) (*terraform.Outputs, error) {
	session, err := s.Open(ctx)
	if err != nil {
		return nil, err
	}
	state, err := s.state(ctx, session)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, terraform.ErrNothingThere
	}
	if err != nil {
		return nil, err
	}
	return terraform.ReadOutputs(state)
}

// state is Terraform's, or fs.ErrNotExist.
func (s *Stage) state(ctx context.Context, session *awscloud.Session) ([]byte, error) {
	if s.LocalState {
		return os.ReadFile(terraform.LocalState(s.Dir))
	}
	return session.Object(ctx, session.StateBucket(), s.stateKey())
}

func (s *Stage) stateKey() string { return s.besideState("terraform.tfstate") }

// besideState is the key of an object of the environment in the bucket of the state.
func (s *Stage) besideState(name string) string { return s.Project + "/" + s.Environment + "/" + name }

// Apply makes the infrastructure as it is wanted.
func (s *Stage) Apply(ctx context.Context, report engine.Reporter) error {
	at, err := s.settle(ctx, report)
	if err != nil {
		return err
	}
	if err := s.heal(ctx, at, report); err != nil {
		return err
	}
	if err := s.carryOut(ctx, at, engine.GoalPresent, report); err != nil {
		return err
	}
	outputs, err := s.Outputs(ctx)
	if err != nil {
		return err
	}
	return s.protectRedis(ctx, at, outputs.Redis, report)
}

// settle has a bucket for the state, and no terraform at work.
func (s *Stage) settle(ctx context.Context, report engine.Reporter) (site, error) {
	at, err := s.visit(ctx)
	if err != nil {
		return site{}, err
	}
	if !s.LocalState {
		created, err := at.session.EnsureStateBucket(ctx)
		if err != nil {
			return site{}, err
		}
		if created {
			report.Report(engine.Update{Kind: engine.UpdateProgress, Message: "made the bucket " + at.session.StateBucket() + " for Terraform's state"})
			s.planned = nil // it was a preview
			if at, err = s.visit(ctx); err != nil {
				return site{}, err
			}
		}
	}
	return at, at.workspace.Await(ctx, report)
}

// carryOut applies the plan that was made before, or a new one. Another writer
// may change the state in between: then it plans again, a few times.
func (s *Stage) carryOut(ctx context.Context, at site, goal engine.Goal, report engine.Reporter) error {
	for range 3 {
		plan, err := s.take(ctx, at, goal, report)
		if err != nil {
			return err
		}
		if len(plan.Changes) == 0 {
			plan.Discard()
			return nil
		}
		if err := at.workspace.Apply(ctx, plan, report); !errors.Is(err, terraform.ErrStale) {
			return err
		}
		report.Report(engine.Update{Kind: engine.UpdateWarning, Message: "the state has changed since the plan was made: planning again"})
	}
	return &problem.Error{What: "Terraform's state changes all the time", Next: "find out who else works on it, then run it again"}
}

func (s *Stage) take(ctx context.Context, at site, goal engine.Goal, report engine.Reporter) (*terraform.Plan, error) {
	before := s.planned
	s.planned = nil
	if before != nil && before.goal == goal && before.plan != nil && time.Since(before.at) < planGood {
		return before.plan, nil
	}
	report.Report(engine.Update{Kind: engine.UpdateProgress, Message: "comparing what is there with what is wanted"})
	return at.workspace.Plan(ctx, goal)
}
