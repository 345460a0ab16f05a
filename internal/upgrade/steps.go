package upgrade

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// How long EKS usually takes.
const (
	planeUsually = 9 * time.Minute
	addonUsually = time.Minute
	nodeUsually  = 4 * time.Minute // for each
)

// evictionFailure is EKS's code for a drain that a pod or its budget held up.
const evictionFailure = "PodEvictionFailure"

// step is what all steps are: nothing that has a health, or could be undone.
type step struct{}

func (step) Check(context.Context) (engine.Health, error) {
	return engine.Health{State: engine.StateUnknown}, nil
}

func (step) Destroy(context.Context, engine.Reporter) error {
	return &problem.Error{What: "an upgrade cannot be taken back"}
}

// configured has the configuration want a version.
type configured struct {
	step
	*Options
	version string
}

func (s *configured) Plan(context.Context, engine.Goal) (engine.Plan, error) {
	wanted, err := s.Settings.KubernetesVersion()
	if err != nil || minorOf(wanted) >= minorOf(s.version) {
		return engine.Plan{}, err
	}
	return engine.Plan{Changes: []engine.Change{{
		Action: engine.ActionUpdate, Object: s.Settings.File(), Detail: fmt.Sprintf("Kubernetes %s → %s", wanted, s.version),
	}}}, nil
}

func (s *configured) Apply(context.Context, engine.Reporter) error {
	wanted, err := s.Settings.KubernetesVersion()
	if err != nil || minorOf(wanted) >= minorOf(s.version) {
		return err
	}
	return s.Settings.SetKubernetesVersion(s.version)
}

// controlPlane is the control plane at a version.
type controlPlane struct {
	step
	*Options
	version string
}

func (s *controlPlane) Plan(ctx context.Context, _ engine.Goal) (engine.Plan, error) {
	plane, err := s.EKS.ControlPlane(ctx)
	if err != nil || minorOf(plane.Version) >= minorOf(s.version) {
		return engine.Plan{}, err
	}
	return engine.Plan{Changes: []engine.Change{{
		Action: engine.ActionUpdate, Object: "EKS control plane", Detail: fmt.Sprintf("Kubernetes %s → %s", version(minorOf(s.version)-1), s.version),
	}}}, nil
}

func (s *controlPlane) Apply(ctx context.Context, report engine.Reporter) error {
	return s.reach(ctx, target{
		there: func() (bool, error) {
			plane, err := s.EKS.ControlPlane(ctx)
			return minorOf(plane.Version) >= minorOf(s.version) && plane.State.Ready(), err
		},
		begin: func() (awscloud.Update, error) { return s.EKS.UpdateControlPlane(ctx, s.version, s.Force) },
		tell: func() engine.Update {
			return engine.Update{Message: "the control plane to be at " + s.version, Usually: planeUsually}
		},
	}, report)
}

// addons are the add-ons at versions that go with a Kubernetes version.
type addons struct {
	step
	*Options
	version string
}

func (s *addons) Plan(ctx context.Context, _ engine.Goal) (engine.Plan, error) {
	moves, err := s.moves(ctx)
	var plan engine.Plan
	for _, move := range moves {
		plan.Changes = append(plan.Changes, engine.Change{
			Action: engine.ActionUpdate, Object: "EKS add-on " + move.name, Detail: fmt.Sprintf("%s → %s", move.from, move.to),
		})
	}
	return plan, err
}

// move is what happens to an add-on.
type move struct{ name, from, to string }

// moves lists the add-ons whose version does not go with the Kubernetes version,
// or is older than the one that EKS would install.
func (s *addons) moves(ctx context.Context) ([]move, error) {
	installed, err := s.EKS.Addons(ctx)
	if err != nil {
		return nil, err
	}
	var moves []move
	for _, addon := range installed {
		versions, byDefault, err := s.EKS.AddonVersions(ctx, addon.Name, s.version)
		if err != nil {
			return nil, err
		}
		if byDefault == "" || addon.Version == byDefault {
			continue
		}
		// The newest comes first: what stands before the default is newer.
		is, wanted := slices.Index(versions, addon.Version), slices.Index(versions, byDefault)
		if is < 0 || is > wanted {
			moves = append(moves, move{addon.Name, addon.Version, byDefault})
		}
	}
	return moves, nil
}

func (s *addons) Apply(ctx context.Context, report engine.Reporter) error {
	moves, err := s.moves(ctx)
	if err != nil {
		return err
	}
	for i, move := range moves {
		err := s.reach(ctx, target{
			of: awscloud.UpdateOf{Addon: move.name},
			there: func() (bool, error) {
				installed, err := s.EKS.Addons(ctx)
				return slices.ContainsFunc(installed, func(addon awscloud.Addon) bool {
					return addon.Name == move.name && addon.Version == move.to && addon.State.Settled()
				}), err
			},
			begin: func() (awscloud.Update, error) { return s.EKS.UpdateAddon(ctx, move.name, move.to) },
			tell: func() engine.Update {
				return engine.Update{
					Message: fmt.Sprintf("the add-on %s to be at %s", move.name, move.to), Usually: addonUsually,
					Done: int64(i), Total: int64(len(moves)), Unit: "add-ons",
				}
			},
		}, report)
		if err != nil {
			return err
		}
	}
	return nil
}

// nodeGroup is a node group at a version.
type nodeGroup struct {
	step
	*Options
	name, title, version string
}

func (s *nodeGroup) Plan(ctx context.Context, _ engine.Goal) (engine.Plan, error) {
	group, err := s.EKS.NodeGroup(ctx, s.name)
	if err != nil || group.State == "" || minorOf(group.Version) >= minorOf(s.version) {
		return engine.Plan{}, err
	}
	return engine.Plan{Changes: []engine.Change{{
		Action: engine.ActionReplace, Object: "nodes of " + s.title,
		Detail: fmt.Sprintf("%d nodes, drained one after the other: Kubernetes %s → %s", group.Desired, group.Version, s.version),
	}}}, nil
}

func (s *nodeGroup) Apply(ctx context.Context, report engine.Reporter) error {
	blocked := ""
	err := s.reach(ctx, target{
		of: awscloud.UpdateOf{NodeGroup: s.name},
		there: func() (bool, error) {
			group, err := s.EKS.NodeGroup(ctx, s.name)
			return group.State == "" || minorOf(group.Version) >= minorOf(s.version) && group.State.Settled(), err
		},
		begin: func() (awscloud.Update, error) { return s.EKS.UpdateNodeGroup(ctx, s.name, s.version, s.Force) },
		tell: func() engine.Update {
			update := engine.Update{Message: "the nodes of " + s.title + " to be replaced by such of " + s.version, Unit: "nodes"}
			// What the cluster says is for a person to see; EKS alone decides.
			if nodes, err := s.Kubernetes.Nodes(ctx); err == nil {
				for _, node := range nodes {
					if node.Group != s.name {
						continue
					}
					update.Total++
					if strings.HasPrefix(node.Version, "v"+s.version+".") {
						update.Done++
					}
				}
			}
			update.Usually = time.Duration(max(update.Total, 1)) * nodeUsually
			if now, err := s.Kubernetes.Blocked(ctx); err == nil && now != "" {
				blocked = now
				update.Message += ": " + blocked
			}
			return update
		},
	}, report)
	// By then EKS has given the node its pods back, and nothing is blocked any more.
	if p, ok := errors.AsType[*problem.Error](err); ok && blocked != "" && strings.Contains(p.Error(), evictionFailure) {
		p.Cause = errors.Join(p.Cause, errors.New(blocked))
		p.Next = "give the workload another replica or the budget more room, then run it again; or add --force, which does not mind the budget"
	}
	return err
}

// target is what a step has EKS reach.
type target struct {
	of    awscloud.UpdateOf
	there func() (bool, error)
	begin func() (awscloud.Update, error)
	tell  func() engine.Update // what is waited for
}

// reach has EKS come to the target. An update that runs already, because an
// earlier run has begun it or somebody else did, is waited for first.
func (o *Options) reach(ctx context.Context, t target, report engine.Reporter) error {
	for {
		there, err := t.there()
		if err != nil || there {
			return err
		}
		running, err := o.EKS.RunningUpdate(ctx, t.of)
		if err != nil {
			return err
		}
		if running == nil {
			begun, err := t.begin()
			if err != nil {
				return err
			}
			running = &begun
		}
		if err := o.follow(ctx, t, *running, report); err != nil {
			return err
		}
	}
}

// follow waits for the end of an update.
func (o *Options) follow(ctx context.Context, t target, update awscloud.Update, report engine.Reporter) error {
	for update.Running {
		told := t.tell()
		told.Kind = engine.UpdateWaiting
		report.Report(told)
		if err := o.sleep(ctx); err != nil {
			return err
		}
		var err error
		if update, err = o.EKS.Update(ctx, t.of, update.ID); err != nil {
			return err
		}
	}
	if !update.Failed {
		return o.sleep(ctx) // what is described follows the update in a moment
	}
	return &problem.Error{
		What: "EKS could not update " + t.of.String(), Cause: errors.New(strings.Join(update.Errors, "; ")),
		Next: "mend what it names, then run it again: it goes on where it stopped",
	}
}
