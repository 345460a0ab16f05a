package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Health tells how a set is, with a component for each workload and for
// everything else that is not well. A set that was never applied is absent.
func (c *Client) Health(ctx context.Context, set string) (engine.Health, error) {
	listed, there, err := c.readInventory(ctx, set)
	if err != nil {
		return engine.Health{}, err
	}
	if !there || len(listed) == 0 {
		return engine.Health{State: engine.StateAbsent}, nil
	}
	components := make([]*engine.Component, len(listed))
	work, inWork := errgroup.WithContext(ctx)
	work.SetLimit(parallel)
	for i, ref := range listed {
		work.Go(func() error {
			var err error
			components[i], err = c.component(inWork, ref)
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return engine.Health{}, err
	}
	health := engine.Health{State: engine.StateReady, Summary: count(len(listed), "object")}
	well := 0
	for _, component := range components {
		if component == nil {
			continue
		}
		health.Components = append(health.Components, *component)
		if component.State == engine.StateReady {
			well++
			continue
		}
		if health.Problem == nil {
			health.Problem = component.Problem
		}
		if worse(component.State, health.State) {
			health.State = component.State
		}
	}
	if health.State == engine.StateDown && well > 0 {
		health.State = engine.StateDegraded
	}
	slices.SortStableFunc(health.Components, func(a, b engine.Component) int { return strings.Compare(a.Name, b.Name) })
	return health, nil
}

// worse orders the states of components.
func worse(a, b engine.State) bool {
	order := []engine.State{engine.StateReady, engine.StateStarting, engine.StateDegraded, engine.StateDown}
	return slices.Index(order, a) > slices.Index(order, b)
}

// component returns nil for an object that is well and that nobody looks for.
func (c *Client) component(ctx context.Context, ref Ref) (*engine.Component, error) {
	live, err := c.fetch(ctx, ref)
	if err != nil {
		return nil, explain(err, ref.String()+" could not be read")
	}
	component := &engine.Component{Name: shortName(ref)}
	if live == nil {
		component.State = engine.StateDown
		component.Problem = &problem.Error{What: ref.String() + " is gone", Next: "make it again: gmctl up"}
		return component, nil
	}
	if inert(ref) {
		return nil, nil
	}
	now := standingOf(live)
	component.Summary = summary(live)
	component.Since = live.GetCreationTimestamp().Time
	if now.state == isReady {
		component.State = engine.StateReady
		if notable(ref) {
			return component, nil
		}
		return nil, nil
	}
	why, err := c.findCause(ctx, live)
	if err != nil {
		return nil, explain(err, "the pods of "+ref.String()+" could not be read")
	}
	component.State = engine.StateStarting
	one := &awaited{ref: ref, standing: now, cause: why, next: nextStep(live)}
	switch {
	case why.kind <= passing && why.text == "" && now.state != hasFailed:
		if component.Summary == "" {
			component.Summary = now.message
		}
		return component, nil
	case serves(live):
		component.State = engine.StateDegraded
	case why.kind > passing, now.state == hasFailed:
		component.State = engine.StateDown
	}
	component.Problem = problem.From(failure(one, "is not ready"))
	return component, nil
}

// notable kinds are shown even when they are well.
func notable(ref Ref) bool {
	return workload(ref) || ref.is("kafka.strimzi.io", "Kafka")
}

func shortName(ref Ref) string {
	switch ref.Kind {
	case "Deployment", "StatefulSet", "DaemonSet", "Job":
		return ref.Name
	}
	return strings.ToLower(ref.Kind) + " " + ref.Name
}

// serves reports whether a part of a workload works.
func serves(object *unstructured.Unstructured) bool {
	return number(object, "status", "readyReplicas") > 0 || number(object, "status", "numberReady") > 0
}

// summary counts a workload's pods, or names a version.
func summary(object *unstructured.Unstructured) string {
	ref := RefOf(object)
	switch ref.Kind {
	case "Deployment", "StatefulSet", "ReplicaSet":
		return fmt.Sprintf("%d/%d pods", number(object, "status", "readyReplicas"), number(object, "spec", "replicas"))
	case "DaemonSet":
		return fmt.Sprintf("%d/%d pods", number(object, "status", "numberReady"), number(object, "status", "desiredNumberScheduled"))
	case "Kafka":
		version, _, _ := unstructured.NestedString(object.Object, "status", "kafkaVersion")
		return version
	case "Job":
		if conditionOf(object, "Complete").Status == "True" {
			return "completed"
		}
	}
	return ""
}
