package infra

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/terraform"
)

// account is what the AWS account holds of the environment.
type account struct {
	session *awscloud.Session
	name    string // prefix of the resources
	tags    map[string]string
}

var _ terraform.Account = account{}

func (s *Stage) account(session *awscloud.Session) account {
	return account{session: session, name: s.name(), tags: s.tags()}
}

// name is the prefix of the resources, and the name of the cluster.
func (s *Stage) name() string { return s.Project + "-" + s.Environment }

// Owned lists what carries the environment's tags, maybe also what is deleted
// already.
func (a account) Owned(ctx context.Context) ([]awscloud.Resource, error) {
	owned, err := a.session.Owned(ctx, a.tags)
	if err != nil {
		return nil, err
	}
	roles, err := a.session.OwnedIAM(ctx, a.name+"-", a.tags)
	return append(owned, roles...), err
}

// Present keeps those that are really there.
func (a account) Present(ctx context.Context, resources []awscloud.Resource) ([]awscloud.Resource, error) {
	return a.session.Present(ctx, resources)
}

// settlePoll is between two looks at something that takes minutes.
const settlePoll = 5 * time.Second

// awaitSettled waits until AWS has made what an earlier run has asked for and
// was killed over: a cluster that is being made can neither be used nor deleted.
func (s *Stage) awaitSettled(ctx context.Context, at site, report engine.Reporter) error {
	owned, err := at.session.Owned(ctx, s.tags())
	if err != nil {
		return err
	}
	for _, resource := range owned {
		title, usually, slow := takesLong(resource.ARN)
		for slow {
			state, err := at.session.State(ctx, resource.ARN)
			if err != nil {
				return err
			}
			if state.Settled() {
				break
			}
			report.Report(engine.Update{
				Kind: engine.UpdateWaiting, Usually: usually,
				Message: fmt.Sprintf("AWS to be done with %s, which an earlier run began (%s)", title, strings.ToLower(string(state))),
			})
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(settlePoll):
			}
		}
	}
	return nil
}

// takesLong tells what AWS takes minutes to make.
func takesLong(arn string) (title string, usually time.Duration, slow bool) {
	service, kind, name := awscloud.ARNParts(arn)
	switch service + "/" + kind {
	case "eks/cluster":
		return "the EKS cluster " + name, 10 * time.Minute, true
	case "eks/nodegroup": // CLUSTER/NAME/ID
		parts := strings.Split(name, "/")
		return "the node group " + parts[min(1, len(parts)-1)], 3 * time.Minute, true
	case "rds/db":
		return "the database " + name, 8 * time.Minute, true
	case "elasticache/replicationgroup":
		return "Redis " + name, 8 * time.Minute, true
	case "ec2/natgateway":
		return "the NAT gateway " + name, 2 * time.Minute, true
	}
	return "", 0, false
}

// heal keeps what an interrupted run has made from being made again.
func (s *Stage) heal(ctx context.Context, at site, report engine.Reporter) error {
	if err := s.awaitSettled(ctx, at, report); err != nil {
		return err
	}
	state, err := s.state(ctx, at.session)
	if err != nil || !terraform.HasTainted(state) {
		return nil //nolint:nilerr // there is no state yet, or Terraform says what is wrong with it
	}
	healed, err := at.workspace.Heal(ctx, func(ctx context.Context, id string) (bool, error) {
		if strings.HasPrefix(id, "nat-") {
			id = fmt.Sprintf("arn:aws:ec2:%s:%s:natgateway/%s", at.session.Region, at.session.Account, id)
		}
		state, err := at.session.State(ctx, id)
		return state.Ready(), err
	}, report)
	if healed > 0 {
		s.planned = nil // it would make them again
		report.Report(engine.Update{Kind: engine.UpdateProgress, Message: fmt.Sprintf("kept %d resources whose creation was interrupted", healed)})
	}
	return err
}
