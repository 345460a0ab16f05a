package infra

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/terraform"
)

// Terraform would keep the token of Redis in its state, so Redis is given it here:
// in two steps, either of which may be interrupted, and again when the secret gets
// another one. Which version of the secret Redis has is noted beside the state.

// redisUsually is how long Redis takes to require a token.
const redisUsually = 4 * time.Minute

// redisNote is the name of the note.
const redisNote = "redis-auth-version"

// redisPlan is what is to do about Redis's token.
type redisPlan struct {
	changes []engine.Change
	err     error
}

// planRedis looks whether Redis has its token.
func (s *Stage) planRedis(ctx context.Context, at site, goal engine.Goal) redisPlan {
	if goal == engine.GoalAbsent || at.noState {
		return redisPlan{}
	}
	outputs, err := s.Outputs(ctx)
	if err != nil {
		return redisPlan{err: err}
	}
	has, err := s.redisHasToken(ctx, at, outputs.Redis)
	if err != nil || has {
		return redisPlan{err: err}
	}
	return redisPlan{changes: []engine.Change{
		{Action: engine.ActionUpdate, Object: "Redis " + outputs.Redis.ID, Detail: "require its token"},
	}}
}

// protectRedis gives Redis its token.
func (s *Stage) protectRedis(ctx context.Context, at site, redis terraform.Redis, report engine.Reporter) error {
	has, err := s.redisHasToken(ctx, at, redis)
	if err != nil || has {
		return err
	}
	report.Report(engine.Update{Kind: engine.UpdateWaiting, Message: fmt.Sprintf("Redis %s to take its token", redis.ID), Usually: redisUsually})
	version, err := at.session.SetRedisAuth(ctx, redis.ID, redis.AuthSecret)
	if err != nil {
		return err
	}
	return s.noteRedis(ctx, at, version)
}

// redisHasToken reports whether Redis requires the token that its secret holds.
func (s *Stage) redisHasToken(ctx context.Context, at site, redis terraform.Redis) (bool, error) {
	required, err := at.session.RedisRequiresAuth(ctx, redis.ID)
	if err != nil || !required {
		return false, err
	}
	version, err := at.session.SecretVersion(ctx, redis.AuthSecret)
	if err != nil {
		return false, err
	}
	noted, err := s.notedRedis(ctx, at)
	return err == nil && noted == version, err
}

// notedRedis is the version of the secret that Redis was given last; empty: none.
func (s *Stage) notedRedis(ctx context.Context, at site) (version string, err error) {
	var content []byte
	if s.LocalState {
		content, err = os.ReadFile(filepath.Join(s.Dir, redisNote))
	} else {
		content, err = at.session.Object(ctx, at.session.StateBucket(), s.besideState(redisNote))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(content), err
}

func (s *Stage) noteRedis(ctx context.Context, at site, version string) error {
	if s.LocalState {
		return os.WriteFile(filepath.Join(s.Dir, redisNote), []byte(version), 0o600)
	}
	return at.session.PutObject(ctx, at.session.StateBucket(), s.besideState(redisNote), []byte(version))
}
