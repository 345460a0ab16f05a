// Package preflight keeps a stage from making nodes on which the platform has no
// place: a decorator that does the arithmetic before the stage begins.
package preflight

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"golang.org/x/sync/errgroup"

	"github.com/gamemetrics/gmctl/internal/capacity"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/instancetypes"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Options say what must fit where.
type Options struct {
	// Objects are those of the whole platform. Where some cannot be had on this
	// machine, unavailable says why, and objects are the others.
	Objects func(ctx context.Context) (objects []*unstructured.Unstructured, unavailable, err error)

	Groups      []capacity.Group
	Environment string // its name, for what to do next
	Force       bool   // warn, and go on
}

type stage struct {
	engine.Stage
	Options
}

// New returns the stage that makes the nodes, looked before.
func New(made engine.Stage, options Options) engine.Stage { return &stage{made, options} }

// Plan refuses where it is known that the platform does not fit. What is not
// known yet is for Apply.
func (s *stage) Plan(ctx context.Context, goal engine.Goal) (engine.Plan, error) {
	if goal == engine.GoalAbsent || s.Force {
		return s.Stage.Plan(ctx, goal)
	}
	var plan engine.Plan
	both, inBoth := errgroup.WithContext(ctx) // a refusal need not wait for the plan
	both.Go(func() error {
		found, err := s.look(inBoth)
		if err == nil && len(found.short) > 0 {
			err = s.tooSmall(found.short)
		}
		return err
	})
	both.Go(func() (err error) {
		plan, err = s.Stage.Plan(inBoth, goal)
		return err
	})
	if err := both.Wait(); err != nil {
		return engine.Plan{}, err
	}
	return plan, nil
}

// Apply begins when it is known that all fits, and that all of it can be had.
func (s *stage) Apply(ctx context.Context, report engine.Reporter) error {
	found, err := s.look(ctx)
	if err != nil {
		return err
	}
	if !s.Force {
		if err := s.refusal(found); err != nil {
			return err
		}
	}
	for _, warning := range found.warnings() {
		report.Report(engine.Update{Kind: engine.UpdateWarning, Message: warning})
	}
	return s.Stage.Apply(ctx, report)
}

// findings are what a look found.
type findings struct {
	short       []capacity.Finding // what does not fit
	unknown     []capacity.Finding // of which it cannot be said
	unavailable error              // some objects, and why
}

func (s *stage) look(ctx context.Context) (findings, error) {
	objects, unavailable, err := s.Objects(ctx)
	if err != nil {
		return findings{}, err
	}
	found := findings{unavailable: unavailable}
	all, err := capacity.Check(objects, s.Groups)
	if err != nil {
		return findings{}, &problem.Error{What: "what the platform needs of its nodes cannot be read", Cause: err, Next: "mend the manifest that the cause names"}
	}
	for _, finding := range all {
		if finding.Unknown {
			found.unknown = append(found.unknown, finding)
		} else {
			found.short = append(found.short, finding)
		}
	}
	return found, nil
}

func (f findings) warnings() []string {
	var all []string
	for _, finding := range append(f.short, f.unknown...) {
		all = append(all, finding.String())
	}
	if f.unavailable != nil {
		all = append(all, f.unavailable.Error())
	}
	return all
}

// refusal is nil where nothing speaks against beginning.
func (s *stage) refusal(found findings) error {
	switch {
	case len(found.short) > 0:
		return s.tooSmall(found.short)
	case found.unavailable != nil:
		return s.incomplete(found.unavailable)
	}
	return nil
}

func (s *stage) tooSmall(short []capacity.Finding) error {
	reasons := make([]string, len(short))
	for i, finding := range short {
		reasons[i] = finding.Reason
	}
	next := "try all the same: gmctl up -e " + s.Environment + " --force"
	if settings := settingsOf(short); len(settings) > 0 {
		next = "in gmctl.yaml, set " + strings.Join(settings, " and ") + "; or " + next
	}
	return &problem.Error{What: "the platform does not fit on its nodes", Cause: errors.New(strings.Join(reasons, "; ")), Next: next}
}

// settingsOf are the remedies as gmctl.yaml has them. Of several for the same
// setting, the largest helps all.
func settingsOf(short []capacity.Finding) []string {
	types, nodes := map[string]instancetypes.Type{}, map[string]int{} // by group
	for _, finding := range short {
		remedy := finding.Remedy
		if found, ok := instancetypes.Lookup(remedy.InstanceType); ok && found.MemoryMiB > types[remedy.Group].MemoryMiB {
			types[remedy.Group] = found
		}
		if remedy.Nodes > nodes[remedy.Group] {
			nodes[remedy.Group] = remedy.Nodes
		}
	}
	var settings []string
	for _, group := range slices.Sorted(maps.Keys(types)) {
		settings = append(settings, fmt.Sprintf("nodeGroups.%s.instanceType: %s", group, types[group].Name))
	}
	for _, group := range slices.Sorted(maps.Keys(nodes)) {
		settings = append(settings, fmt.Sprintf("nodeGroups.%s.desired: %d", group, nodes[group]))
	}
	return settings
}

// incomplete is of what a stage after this one will lack: that is better known
// before the nodes cost money.
func (s *stage) incomplete(unavailable error) error {
	p := *problem.From(unavailable)
	anyway := "begin all the same: gmctl up -e " + s.Environment + " --force"
	if p.Next != "" {
		anyway = p.Next + "; or " + anyway
	}
	p.Next = anyway
	return &p
}
