package infra

import (
	"context"
	"maps"
	"strings"

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

func (s *Stage) destroyAll(ctx context.Context, at site, report engine.Reporter) error {
	return s.carryOut(ctx, at, engine.GoalAbsent, report)
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
	if !s.Unprotect {
		return &problem.Error{
			What: "the database " + outputs.Database.Identifier + " is protected from deletion",
			Next: "if its data may go: gmctl teardown --unprotect",
		}
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
