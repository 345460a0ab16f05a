package infra

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/terraform"
)

// Plan is Terraform's, with what takes long, costs much or holds data named,
// and the rest counted.
func (s *Stage) Plan(ctx context.Context, goal engine.Goal) (engine.Plan, error) {
	if s.planned != nil && s.planned.goal == goal && time.Since(s.planned.at) < planGood {
		return s.planned.result, nil
	}
	s.planned = nil
	at, err := s.visit(ctx)
	if err != nil {
		return engine.Plan{}, err
	}
	switch {
	case at.noState && goal == engine.GoalAbsent:
		return s.planLeftovers(ctx, at)
	case at.noState && !s.Preview:
		return engine.Plan{
			Changes: []engine.Change{stateBucket(at)}, Fingerprint: at.workspace.Fingerprint(),
			Deferred: "all that Terraform makes, once its state has a place",
		}, nil
	}
	pid, err := at.workspace.AtWork()
	if err != nil {
		return engine.Plan{}, err
	}
	var result engine.Plan
	if goal == engine.GoalPresent {
		result.Fingerprint = at.workspace.Fingerprint()
	}
	if pid != 0 {
		result.Deferred = fmt.Sprintf("the terraform of an earlier run is still at work (process %d)", pid)
		return result, nil
	}
	redis := make(chan redisPlan, 1)
	go func() { redis <- s.planRedis(ctx, at, goal) }() // while Terraform plans
	plan, err := at.workspace.Plan(ctx, goal)
	if err != nil {
		return engine.Plan{}, err
	}
	result.Changes = summary(plan.Changes)
	switch {
	case at.noState:
		plan.Discard()
		result.Changes = append([]engine.Change{stateBucket(at)}, result.Changes...)
		return result, nil
	case len(plan.Changes) == 0:
		plan.Discard()
		plan = nil
		if goal == engine.GoalAbsent {
			if result, err = s.planLeftovers(ctx, at); err != nil {
				return result, err
			}
			break
		}
		token := <-redis
		if token.err != nil {
			return engine.Plan{}, token.err
		}
		result.Changes = append(result.Changes, token.changes...)
	}
	s.planned = &planned{goal, time.Now(), result, plan}
	return result, nil
}

func stateBucket(at site) engine.Change {
	return engine.Change{Action: engine.ActionCreate, Object: "S3 bucket " + at.session.StateBucket(), Detail: "keeps Terraform's state"}
}

// summary names the notable changes, and those that need a reason, and counts
// the others by what is done to them.
func summary(changes []terraform.Change) []engine.Change {
	var named []engine.Change
	others := map[engine.Action]int{}
	for _, change := range changes {
		if !change.Notable && change.Action != engine.ActionReplace && change.Address != "outputs" {
			others[change.Action]++
			continue
		}
		told := engine.Change{Action: change.Action, Object: change.Title, Detail: change.Address}
		if change.Holds {
			told.Holds = "its data"
		}
		named = append(named, told)
	}
	slices.SortStableFunc(named, func(a, b engine.Change) int { return strings.Compare(a.Detail, b.Detail) }) // Terraform's order is another each time
	for _, action := range []engine.Action{engine.ActionCreate, engine.ActionUpdate, engine.ActionDelete} {
		switch n := others[action]; {
		case n == 1:
			named = append(named, engine.Change{Action: action, Object: "1 other resource"})
		case n > 1:
			named = append(named, engine.Change{Action: action, Object: fmt.Sprintf("%d other resources", n), Count: n})
		}
	}
	return named
}

// Check reads the outputs of the last apply.
func (s *Stage) Check(ctx context.Context) (engine.Health, error) {
	pid, err := terraform.AtWork(s.Dir)
	if err != nil {
		return engine.Health{}, err
	}
	if pid != 0 {
		return engine.Health{State: engine.StateStarting, Summary: fmt.Sprintf("terraform is at work (process %d)", pid)}, nil
	}
	outputs, err := s.Outputs(ctx)
	if errors.Is(err, terraform.ErrNothingThere) {
		return engine.Health{State: engine.StateAbsent}, nil
	}
	if err != nil {
		return engine.Health{}, err
	}
	return engine.Health{
		State:   engine.StateReady,
		Summary: fmt.Sprintf("account %s, %s", outputs.Environment.AccountID, outputs.Environment.Region),
		Endpoints: []engine.Endpoint{
			{Name: "kubernetes", URL: outputs.Cluster.Endpoint},
			{Name: "postgres", URL: "postgres://" + address(outputs.Database.Address, outputs.Database.Port) + "/" + outputs.Database.Name},
			{Name: "redis", URL: "rediss://" + address(outputs.Redis.Address, outputs.Redis.Port)},
		},
	}, nil
}

func address(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
