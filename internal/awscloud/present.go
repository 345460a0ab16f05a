package awscloud

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/smithy-go"
)

// Present keeps of the resources those that are really there: AWS lists some
// kinds by their tags for an hour after they are deleted, and keys of KMS while
// they wait for their deletion. It describes each; one that is on its way out
// is not there any more, and one of a kind that it cannot describe is.
func (s *Session) Present(ctx context.Context, resources []Resource) ([]Resource, error) {
	var present []Resource
	for _, resource := range resources {
		there, err := s.exists(ctx, resource.ARN)
		if err != nil {
			return nil, Explain(err, "it cannot be learned whether "+resource.ARN+" is still there")
		}
		if there {
			present = append(present, resource)
		}
	}
	return present, nil
}

// ARNParts are the service of an ARN, and the type and the name of the
// resource. An ARN that names no type ("arn:aws:s3:::logs") has none.
func ARNParts(arn string) (service, kind, name string) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return "", "", arn
	}
	service, rest := parts[2], parts[5]
	if cut := strings.IndexAny(rest, "/:"); cut > 0 {
		return service, rest[:cut], rest[cut+1:]
	}
	return service, "", rest
}

// exists reports whether a resource is there to stay.
func (s *Session) exists(ctx context.Context, arn string) (bool, error) {
	state, err := s.state(ctx, arn)
	return state != "" && !state.isGoing(), err
}

// State is how AWS calls the state of a resource: "ACTIVE", "pending"; empty if
// it is not there.
type State string

// there is the state of what has none.
const there State = "there"

// State describes one resource. The state of a kind that it cannot describe is
// unknown, and counts as there.
func (s *Session) State(ctx context.Context, arn string) (State, error) {
	state, err := s.state(ctx, arn)
	if err != nil {
		return "", Explain(err, "the state of "+arn+" cannot be learned")
	}
	return state, nil
}

// state is State with AWS's own error.
func (s *Session) state(ctx context.Context, arn string) (State, error) {
	service, kind, name := ARNParts(arn)
	look := lookOf(service, kind)
	if look == nil {
		return there, nil
	}
	state, err := look(ctx, s, arn, name)
	if isNotFound(err) {
		return "", nil
	}
	return state, err
}

// Settled reports whether AWS is done with what it was asked for: neither
// making nor changing nor deleting it.
func (s State) Settled() bool {
	text := strings.ToLower(string(s))
	for _, way := range []string{"creating", "pending", "updating", "modifying", "configuring", "backing-up", "rebooting", "starting", "snapshotting", "deleting", "shutting-down"} {
		if strings.HasPrefix(text, way) && text != "pendingdeletion" {
			return false
		}
	}
	return true
}

// Ready reports whether it can be used.
func (s State) Ready() bool {
	text := strings.ToLower(string(s))
	return s == there || text == "active" || text == "available"
}

// look describes one resource. The state is empty, or the error says "not
// found" in the service's word, where it is not there.
type look func(ctx context.Context, s *Session, arn, name string) (State, error)

func lookOf(service, kind string) look {
	switch service {
	case "ec2":
		return lookEC2(kind)
	case "eks":
		return lookEKS(kind)
	case "rds":
		return lookRDS(kind)
	case "elasticache":
		return lookElastiCache(kind)
	}
	return lookOther(service, kind)
}

// isGoing reports whether something in this state is on its way out.
func (s State) isGoing() bool {
	switch strings.ToLower(string(s)) {
	case "deleting", "deleted", "terminated", "shutting-down", "pendingdeletion":
		return true
	}
	return false
}

// isNotFound reports whether AWS says that something is not there; each service
// has its own word for it.
func isNotFound(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	code := api.ErrorCode()
	return strings.Contains(code, "NotFound") || strings.HasPrefix(code, "NoSuch")
}

// stateOf is the state of what was found, if anything was. Of several, one that
// is not on its way out counts.
func stateOf[T any, S ~string](found []T, state func(T) S) State {
	var last State
	for _, one := range found {
		if last = State(state(one)); !last.isGoing() {
			return last
		}
	}
	return last
}

// stateless is the state of what has none.
func stateless[T any](T) State { return there }
