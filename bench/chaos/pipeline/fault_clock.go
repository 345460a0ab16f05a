//go:build unix

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"path/filepath"
	"time"

	"github.com/gamemetrics/gmctl/internal/testenv/clock"
)

// farthest is how far a clock jumps: within what events may lie ahead of it. A
// replica whose clock is more wrong refuses events that are right.
const farthest = 20 * time.Hour

const clockJumped = "clock-jumped"

// buildShifted builds a gmctl whose clock can be set, where it is asked for.
func (s *site) buildShifted(ctx context.Context) {
	if !s.wants(clockJumped) {
		return
	}
	program := filepath.Join(s.dir, "gmctl-with-a-clock")
	if err := clock.Build(ctx, clock.Gmctl, program); err != nil {
		s.lacks(clockJumped, err)
		return
	}
	s.shifted = program
}

// jumpClock lets the clocks of replicas of ingestion or of relays jump, there and
// back, each by itself. Events are taken and published meanwhile.
func jumpClock(ctx context.Context, s *site, random *rand.Rand) error {
	victims := some(s.apis, random)
	if random.Intn(2) == 0 {
		victims = some(s.relays, random)
	}
	var clocks []*clock.Clock
	for _, victim := range victims {
		c, err := clock.New(s.shifted, filepath.Join(s.dir, victim.name+".clock"))
		if err != nil {
			return err
		}
		clocks = append(clocks, c)
		if err := s.replace(ctx, victim, c); err != nil {
			return err
		}
	}
	for range 1 + random.Intn(3) {
		for _, c := range clocks {
			if err := c.Set(time.Duration(random.Int63n(int64(2*farthest))) - farthest); err != nil {
				return err
			}
		}
		sleep(ctx, between(random, 0, 2000))
		if err := errors.Join(s.accepts(ctx), s.publishes(ctx)); err != nil {
			return err
		}
	}
	for i, victim := range victims {
		if err := clocks[i].Set(0); err != nil {
			return err
		}
		sleep(ctx, between(random, 0, 2000))
		if err := s.replace(ctx, victim, nil); err != nil {
			return err
		}
	}
	return nil
}

// replace has the service run with another clock; nil: that of the machine.
func (s *site) replace(ctx context.Context, victim *service, by *clock.Clock) error {
	victim.setClock.Store(by)
	if err := victim.terminate(); err != nil {
		return err
	}
	return await(ctx, victim.name+" is ready with another clock", recovery, func() error { return victim.ready(ctx) })
}

// publishes returns when events are in Kafka that were not stored before.
func (s *site) publishes(ctx context.Context) error {
	if err := s.readStored(ctx, s.read); err != nil {
		return err
	}
	enough := s.ledger.counted().Stored + 10
	return await(ctx, "events are published", drain, func() error {
		if err := s.readPublished(ctx, s.read); err != nil && !errors.Is(err, errOpen) {
			return err
		}
		if got := s.ledger.counted().Published + s.ledger.counted().Gone; got < enough {
			return fmt.Errorf("%d of %d are", got, enough)
		}
		return nil
	})
}
