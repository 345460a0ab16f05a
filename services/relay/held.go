package relay

import (
	"context"
	"errors"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
)

const (
	heldAfter = 10 * time.Second // what is held back for longer is told
	heldLook  = 5 * time.Second  // how often a relay that publishes looks for it
	heldAgain = time.Minute      // how often it is logged
)

// publisher is a Relay or a Group.
type publisher interface {
	Status() Status
	Lag(ctx context.Context) (Lag, error)
}

// watchHeld gives note what holds events back, nil where nothing does, until ctx ends.
// Nothing that is stored after the oldest open transaction began is published before that
// ends: someone's forgotten BEGIN stops a relay that has nothing to complain of.
func watchHeld(ctx context.Context, p publisher, cfg Config, note func(*problem.Error)) {
	defer note(nil)
	held := false
	var logged time.Time
	for wait(ctx, heldLook); ctx.Err() == nil; wait(ctx, heldLook) {
		why := heldBack(ctx, p)
		note(why)
		switch {
		case why != nil && time.Since(logged) >= heldAgain:
			cfg.Log.Warn("events are not published", "error", why, "next", why.Next, "lane", cfg.Lane)
			logged = time.Now()
		case why == nil && held:
			cfg.Log.Info("events are no longer held back", "lane", cfg.Lane)
		}
		held = why != nil
	}
}

// heldBack tells what has held events back for some time; nil: nothing that is known.
func heldBack(ctx context.Context, p publisher) *problem.Error {
	if p.Status().State != Running {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, heldLook)
	defer cancel()
	lag, err := p.Lag(ctx)
	if err != nil || lag.Blocker == "" || lag.Age < heldAfter {
		return nil
	}
	return &problem.Error{
		What:  "a transaction that is still open holds back what was stored since it began, the first of it for " + lag.Age.Round(time.Second).String(),
		Cause: errors.New(lag.Blocker),
		Next:  lag.Unblock,
	}
}
