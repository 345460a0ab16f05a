package infra

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/terraform"
)

// Destroy removes the infrastructure with all data in its buckets, and proves
// that nothing with the environment's tags is left. A database that is protected
// from deletion ends it before anything is removed, unless Unprotect is set.
func (s *Stage) Destroy(ctx context.Context, report engine.Reporter) error {
	at, err := s.visit(ctx)
	if err != nil {
		return err
	}
	if at.noState {
		return s.prove(ctx, at, report)
	}
	for _, step := range []func(context.Context, site, engine.Reporter) error{
		s.awaitEarlier, s.liftProtection, s.awaitSettled, s.removeDetached, s.emptyBuckets, s.takeOver, s.destroyAll, s.removeOrphans, s.prove,
	} {
		if err := step(ctx, at, report); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stage) awaitEarlier(ctx context.Context, at site, report engine.Reporter) error {
	return at.workspace.Await(ctx, report)
}

// destroyAll has Terraform destroy. Nodes that end may leave something behind, such
// as a network interface that keeps its subnet: that goes meanwhile, or Terraform
// would wait for it in vain.
func (s *Stage) destroyAll(ctx context.Context, at site, report engine.Reporter) error {
	sweeping, stop := context.WithCancel(ctx)
	var sweep sync.WaitGroup
	sweep.Go(func() {
		for sweeping.Err() == nil {
			select {
			case <-sweeping.Done():
			case <-time.After(sweepEvery):
				// What fails now is tried again, and in the end told.
				_ = s.removeDetached(sweeping, at, report)
			}
		}
	})
	defer sweep.Wait()
	defer stop()
	return s.carryOut(ctx, at, engine.GoalAbsent, report)
}

// sweepEvery is how often what nodes left behind is looked for.
const sweepEvery = 15 * time.Second

// Removable says why the infrastructure must not be removed: its database is
// protected from deletion, and Unprotect is not set. A stage that goes before it
// need not be removed in vain.
func (s *Stage) Removable(ctx context.Context) error {
	if s.Unprotect {
		return nil
	}
	outputs, err := s.Outputs(ctx)
	if errors.Is(err, terraform.ErrNothingThere) || errors.Is(err, terraform.ErrIncomplete) {
		return nil // RDS itself refuses what is protected
	}
	if err != nil {
		return err
	}
	return s.removable(outputs)
}

func (s *Stage) removable(outputs *terraform.Outputs) error {
	if s.Unprotect || !outputs.Database.DeletionProtection {
		return nil
	}
	return &problem.Error{
		What: "the database " + outputs.Database.Identifier + " is protected from deletion",
		Next: "if its data may go: gmctl teardown --unprotect",
	}
}

// protectedDatabase is where Terraform has the database.
const protectedDatabase = "module.rds.aws_db_instance.this"

func (s *Stage) liftProtection(ctx context.Context, at site, report engine.Reporter) error {
	outputs, err := at.workspace.Outputs(ctx)
	if ctx.Err() != nil {
		return err
	}
	if err != nil || !outputs.Database.DeletionProtection {
		return nil //nolint:nilerr // a half-made environment has not all outputs; RDS itself refuses what is protected
	}
	if err := s.removable(outputs); err != nil {
		return err
	}
	s.planned = nil
	report.Report(engine.Update{Kind: engine.UpdateProgress, Message: "lifting the protection of " + outputs.Database.Identifier})
	variables := s.variables(at.session)
	database := map[string]any{}
	if configured, ok := variables["database"].(map[string]any); ok {
		database = maps.Clone(configured)
	}
	database["deletion_protection"] = false
	variables["database"] = database
	options := s.workspaceOptions(at.workspace.Binary, at, variables)
	options.Targets = []string{protectedDatabase}
	unprotected, err := terraform.Open(options)
	if err != nil {
		return err
	}
	return s.carryOut(ctx, site{session: at.session, workspace: unprotected}, engine.GoalPresent, report)
}

// emptyBuckets deletes every version of every object: Terraform deletes only
// empty buckets.
func (s *Stage) emptyBuckets(ctx context.Context, at site, report engine.Reporter) error {
	owned, err := at.session.Owned(ctx, s.tags())
	if err != nil {
		return err
	}
	for _, resource := range owned {
		_, bucket, isBucket := strings.Cut(resource.ARN, ":s3:::")
		if !isBucket {
			continue
		}
		err := at.session.EmptyBucket(ctx, bucket, func(total int) {
			report.Report(engine.Update{Kind: engine.UpdateProgress, Message: "emptying bucket " + bucket, Done: int64(total), Unit: "objects"})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
