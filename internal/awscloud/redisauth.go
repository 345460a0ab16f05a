package awscloud

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// redisPoll is how often the change of a replication group is looked at; it
// takes AWS a few minutes.
const redisPoll = 5 * time.Second

// RedisRequiresAuth reports whether the replication group asks its clients for
// a token.
func (s *Session) RedisRequiresAuth(ctx context.Context, group string) (bool, error) {
	found, err := s.redis(ctx, group)
	if err != nil {
		return false, err
	}
	return aws.ToBool(found.AuthTokenEnabled), nil
}

// SetRedisAuth has the replication group require the token that the secret holds,
// and no other, and returns the version of the secret when it does. The token goes
// from one API to the other and nowhere else.
func (s *Session) SetRedisAuth(ctx context.Context, group, secretARN string) (version string, err error) {
	what := "Redis " + group + " could not be given its token"
	secret, err := s.Secret(ctx, secretARN)
	if err != nil {
		return "", err
	}
	token := secret.Fields["token"]
	if token == "" {
		return "", &problem.Error{What: what, Cause: errors.New("the secret " + secretARN + ` is not {"token": …}`), Next: "put a token there: 16 to 128 letters and digits"}
	}
	// ROTATE lets the token in beside what was there before, which is nothing at
	// first; SET, which is allowed only after that, leaves the token alone.
	for _, strategy := range []types.AuthTokenUpdateStrategyType{types.AuthTokenUpdateStrategyTypeRotate, types.AuthTokenUpdateStrategyTypeSet} {
		_, err := elasticache.NewFromConfig(s.config).ModifyReplicationGroup(ctx, &elasticache.ModifyReplicationGroupInput{
			ReplicationGroupId: aws.String(group), AuthToken: aws.String(token),
			AuthTokenUpdateStrategy: strategy, ApplyImmediately: aws.Bool(true),
		})
		if err != nil {
			return "", Explain(err, what)
		}
		if err := s.awaitRedis(ctx, group, strategy == types.AuthTokenUpdateStrategyTypeSet); err != nil {
			return "", err
		}
	}
	return secret.Version, nil
}

// awaitRedis waits until nothing is changing any more, and a token is required if
// one has to be.
func (s *Session) awaitRedis(ctx context.Context, group string, required bool) error {
	for {
		found, err := s.redis(ctx, group)
		if err != nil {
			return err
		}
		changing := aws.ToString(found.Status) != "available" || found.PendingModifiedValues != nil && found.PendingModifiedValues.AuthTokenStatus != ""
		if !changing && (!required || aws.ToBool(found.AuthTokenEnabled)) {
			return nil
		}
		select {
		case <-ctx.Done():
			return Explain(ctx.Err(), "Redis "+group+" has not taken its token yet")
		case <-time.After(redisPoll):
		}
	}
}

func (s *Session) redis(ctx context.Context, group string) (types.ReplicationGroup, error) {
	answer, err := elasticache.NewFromConfig(s.config).DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{
		ReplicationGroupId: aws.String(group),
	})
	if err != nil {
		return types.ReplicationGroup{}, Explain(err, "Redis "+group+" cannot be looked at")
	}
	if len(answer.ReplicationGroups) == 0 {
		return types.ReplicationGroup{}, &problem.Error{What: "there is no Redis " + group, Next: "make it: gmctl up"}
	}
	return answer.ReplicationGroups[0], nil
}
