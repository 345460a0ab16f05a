// Package secrets is the stage that brings the secrets of Secrets Manager into
// Kubernetes, and makes those that the cluster alone has. Their values pass through memory and go nowhere else: not into a
// plan, an event, an error, the journal or a file.
package secrets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/kube"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Set is the set that the Kubernetes Secrets belong to.
const Set = "secrets"

// The annotations by which a Kubernetes Secret says what it is a copy of.
const (
	AnnotationSource  = "gmctl.gamemetrics.io/source"         // ARN
	AnnotationVersion = "gmctl.gamemetrics.io/source-version" // id of its version
)

// Vault is where the values come from.
type Vault interface {
	Secret(ctx context.Context, arn string) (awscloud.SecretValue, error)
	SecretVersion(ctx context.Context, arn string) (string, error)
}

// Cluster is where they go.
type Cluster interface {
	Secret(ctx context.Context, namespace, name string) (*kube.Secret, error)
	ApplySecret(ctx context.Context, set string, secret kube.Secret) (changed bool, err error)
	DeleteSecret(ctx context.Context, set, namespace, name string) error
}

var (
	_ Vault   = (*awscloud.Session)(nil)
	_ Cluster = (*kube.Client)(nil)
)

// Copy is a Kubernetes Secret that holds fields of a secret of Secrets Manager.
type Copy struct {
	Namespace, Name string
	Source          string   // ARN; empty where the secret is not made yet
	Fields          []string // which of its fields, under their own names
	// UpOnly is set where nothing but a run of up reads the copy: that it is behind
	// is for the next up, and no fault.
	UpOnly bool
}

func (c Copy) String() string { return "secret " + c.Namespace + "/" + c.Name }

// Options describe the stage.
type Options struct {
	Vault func(context.Context) (Vault, error)
	// Cluster opens the cluster; the error is kube.ErrNotThere where there is none.
	Cluster func(context.Context) (Cluster, error)
	// Copies are those that are wanted; the error is kube.ErrNotThere where their
	// sources are not made yet. For a removal the sources may be missing.
	Copies func(context.Context) ([]Copy, error)
	// Names are the copies without their sources, for a removal.
	Names []Copy
	// Made are those that have no source.
	Made []Made
}

// Stage is the secrets.
type Stage struct{ Options }

var _ engine.Stage = (*Stage)(nil)

// New returns the stage.
func New(options Options) *Stage { return &Stage{options} }

// Plan compares versions and what was copied, never showing a value.
func (s *Stage) Plan(ctx context.Context, goal engine.Goal) (engine.Plan, error) {
	cluster, err := s.Cluster(ctx)
	if errors.Is(err, kube.ErrNotThere) {
		if goal == engine.GoalAbsent {
			return engine.Plan{}, nil // they live in the cluster alone
		}
		return engine.Plan{Deferred: fmt.Sprintf("%d secrets, once the cluster is there", len(s.places()))}, nil
	}
	if err != nil {
		return engine.Plan{}, err
	}
	if goal == engine.GoalAbsent {
		return s.planRemoval(ctx, cluster)
	}
	copies, err := s.Copies(ctx)
	if err != nil {
		return engine.Plan{}, err
	}
	drifts, err := s.drifts(ctx, cluster, copies)
	var plan engine.Plan
	for _, d := range drifts {
		action := engine.ActionUpdate
		if d.absent {
			action = engine.ActionCreate
		}
		plan.Changes = append(plan.Changes, engine.Change{Action: action, Object: d.of.String(), Detail: d.why})
	}
	if err != nil {
		return plan, err
	}
	missing, err := s.missing(ctx, cluster)
	for _, one := range missing {
		plan.Changes = append(plan.Changes, engine.Change{Action: engine.ActionCreate, Object: one.String(), Detail: "made at random"})
	}
	return plan, err
}

func (s *Stage) planRemoval(ctx context.Context, cluster Cluster) (engine.Plan, error) {
	var plan engine.Plan
	for _, one := range s.places() {
		found, err := cluster.Secret(ctx, one.namespace, one.name)
		if err != nil {
			return plan, err
		}
		if found != nil {
			plan.Changes = append(plan.Changes, engine.Change{Action: engine.ActionDelete, Object: one.String()})
		}
	}
	return plan, nil
}

// drift is how a copy differs from its source.
type drift struct {
	of     Copy
	absent bool
	why    string
}

// drifts returns the copies that are not as their sources are.
func (s *Stage) drifts(ctx context.Context, cluster Cluster, copies []Copy) ([]drift, error) {
	vault, err := s.Vault(ctx)
	if err != nil {
		return nil, err
	}
	var all []drift
	for _, one := range copies {
		found, err := cluster.Secret(ctx, one.Namespace, one.Name)
		if err != nil {
			return nil, err
		}
		version, err := vault.SecretVersion(ctx, one.Source)
		if err != nil {
			return nil, err
		}
		if why := differs(one, version, found); why != "" {
			all = append(all, drift{of: one, absent: found == nil, why: why})
		}
	}
	return all, nil
}

// differs says in words what a copy in the cluster lacks; empty: nothing.
func differs(one Copy, version string, found *kube.Secret) string {
	switch {
	case found == nil:
		return "from " + one.Source
	case found.Annotations[AnnotationSource] != one.Source:
		return "it is a copy of another secret"
	case found.Annotations[AnnotationVersion] != version:
		return "its source has a new version"
	case !slices.Equal(slices.Sorted(maps.Keys(found.Data)), slices.Sorted(slices.Values(one.Fields))):
		return "it has other fields"
	case found.Annotations[annotationContent] != content(found.Data):
		return "it was changed in the cluster"
	}
	return ""
}

// annotationContent is a hash of what gmctl has put into the copy, by which a
// change made in the cluster is seen. Of a random password a hash tells nothing.
const annotationContent = "gmctl.gamemetrics.io/content-hash"

func content(data map[string][]byte) string {
	sum := sha256.New()
	for _, field := range slices.Sorted(maps.Keys(data)) {
		inner := sha256.Sum256(data[field])
		_, _ = sum.Write([]byte(field)) // a hash takes everything
		_, _ = sum.Write(inner[:])
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// Apply copies all of them, and makes what is missing of the others.
func (s *Stage) Apply(ctx context.Context, report engine.Reporter) error {
	cluster, err := s.Cluster(ctx)
	if err != nil {
		return err
	}
	vault, err := s.Vault(ctx)
	if err != nil {
		return err
	}
	copies, err := s.Copies(ctx)
	if err != nil {
		return err
	}
	for i, one := range copies {
		report.Report(engine.Update{Kind: engine.UpdateProgress, Message: "copying", Done: int64(i + 1), Total: int64(len(copies)), Unit: "secrets"})
		value, err := vault.Secret(ctx, one.Source)
		if err != nil {
			return err
		}
		secret, err := one.of(value)
		if err != nil {
			return err
		}
		if _, err := cluster.ApplySecret(ctx, Set, secret); err != nil {
			return err
		}
	}
	return s.make(ctx, cluster)
}

// of is the Kubernetes Secret with the value.
func (c Copy) of(value awscloud.SecretValue) (kube.Secret, error) {
	data := make(map[string][]byte, len(c.Fields))
	for _, field := range c.Fields {
		text, ok := value.Fields[field]
		if !ok || text == "" {
			return kube.Secret{}, &problem.Error{
				What: "the secret " + c.Source + " has no " + field, Next: "put it there: it is a JSON object; or have it made again: gmctl up --only infra",
			}
		}
		data[field] = []byte(text)
	}
	return kube.Secret{
		Namespace: c.Namespace, Name: c.Name, Data: data,
		Annotations: map[string]string{AnnotationSource: c.Source, AnnotationVersion: value.Version, annotationContent: content(data)},
		Labels:      partOf(),
	}, nil
}

// Check says which copies are behind their sources.
func (s *Stage) Check(ctx context.Context) (engine.Health, error) {
	cluster, err := s.Cluster(ctx)
	if errors.Is(err, kube.ErrNotThere) {
		return engine.Health{State: engine.StateAbsent}, nil
	}
	if err != nil {
		return engine.Health{}, err
	}
	copies, err := s.Copies(ctx)
	if err != nil {
		return engine.Health{}, err
	}
	drifts, err := s.drifts(ctx, cluster, copies)
	if err != nil {
		return engine.Health{}, err
	}
	health := engine.Health{State: engine.StateReady, Summary: fmt.Sprintf("%d secrets, as in Secrets Manager", len(copies))}
	if len(drifts) == len(copies) && !slices.ContainsFunc(drifts, func(d drift) bool { return !d.absent }) {
		return engine.Health{State: engine.StateAbsent}, nil
	}
	drifts = slices.DeleteFunc(drifts, func(d drift) bool { return d.of.UpOnly && !d.absent })
	if len(drifts) > 0 {
		health.State, health.Summary = engine.StateDegraded, fmt.Sprintf("%d of %d secrets differ", len(drifts), len(copies))
		first := drifts[0]
		why := first.why
		if first.absent {
			why = "it is not in the cluster"
		}
		health.Problem = &problem.Error{
			What: first.of.String() + " is not as in Secrets Manager", Cause: errors.New(why),
			Next: "copy it, and roll what uses it: gmctl up", Kind: problem.Unhealthy,
		}
	}
	missing, err := s.missing(ctx, cluster)
	if err == nil && len(missing) > 0 && health.Problem == nil {
		health.State, health.Summary = engine.StateDegraded, fmt.Sprintf("%d of %d secrets are missing", len(missing), len(s.places()))
		health.Problem = &problem.Error{What: missing[0].String() + " is not in the cluster", Next: "have it made: gmctl up", Kind: problem.Unhealthy}
	}
	return health, err
}

// Destroy removes them. The sources of the copies are the infrastructure's.
func (s *Stage) Destroy(ctx context.Context, _ engine.Reporter) error {
	cluster, err := s.Cluster(ctx)
	if errors.Is(err, kube.ErrNotThere) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, one := range s.places() {
		if err := cluster.DeleteSecret(ctx, Set, one.namespace, one.name); err != nil {
			return err
		}
	}
	return nil
}

// Versions returns what the pods that read a copy are to be made for: it changes
// when a rotation reaches the copy, by NAMESPACE/NAME. While a copy is still
// behind it is another than before and after, so that neither a plan nor pods
// that come too early hide that they are to be made again.
func (s *Stage) Versions(ctx context.Context) (map[string]string, error) {
	cluster, err := s.Cluster(ctx)
	if err != nil {
		return nil, err
	}
	vault, err := s.Vault(ctx)
	if err != nil {
		return nil, err
	}
	copies, err := s.Copies(ctx)
	if err != nil {
		return nil, err
	}
	versions := make(map[string]string, len(copies))
	for _, one := range copies {
		version, err := vault.SecretVersion(ctx, one.Source)
		if err != nil {
			return nil, err
		}
		found, err := cluster.Secret(ctx, one.Namespace, one.Name)
		if err != nil {
			return nil, err
		}
		if differs(one, version, found) != "" {
			version += " to come"
		}
		versions[one.Namespace+"/"+one.Name] = version
	}
	return versions, s.versionsOfMade(ctx, cluster, versions)
}
