package awscloud

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

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

// SetRedisAuth has the replication group require the token that the secret
// holds, and returns when it does. The token goes from one API to the other and
// nowhere else.
func (s *Session) SetRedisAuth(ctx context.Context, group, secretARN string) error {
	what := "Redis " + group + " could not be given its token"
	secret, err := secretsmanager.NewFromConfig(s.config).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(secretARN)})
	if err != nil {
		return Explain(err, what)
	}
	var content struct {
		Token string `json:"token"`
	}
	// The error would quote the secret.
	if json.Unmarshal([]byte(aws.ToString(secret.SecretString)), &content) != nil || content.Token == "" {
		return &problem.Error{What: what, Cause: errors.New("the secret " + secretARN + ` is not {"token": …}`), Next: "put a token there: 16 to 128 letters and digits"}
	}
	_, err = elasticache.NewFromConfig(s.config).ModifyReplicationGroup(ctx, &elasticache.ModifyReplicationGroupInput{
		ReplicationGroupId: aws.String(group), AuthToken: aws.String(content.Token),
		AuthTokenUpdateStrategy: types.AuthTokenUpdateStrategyTypeSet, ApplyImmediately: aws.Bool(true),
	})
	if err != nil {
		return Explain(err, what)
	}
	return s.awaitRedis(ctx, group)
}

func (s *Session) awaitRedis(ctx context.Context, group string) error {
	for {
		found, err := s.redis(ctx, group)
		if err != nil {
			return err
		}
		if aws.ToString(found.Status) == "available" && aws.ToBool(found.AuthTokenEnabled) {
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
