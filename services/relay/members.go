package relay

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Several processes share the lanes of a layout: each says that it is there, and the
// lanes go to them in turn. This spreads the work, no more: who publishes is up to the
// lane's lease and Kafka's transactional id, whatever the members think of each other.
// A single lane stays with whoever has it.

// A process that fails on all its lanes leaves them to others, for longer each time.
const (
	firstAbstention = 10 * time.Second
	lastAbstention  = 5 * time.Minute
)

// abstainLeases is for how many leases a process leaves a lane alone on which it has
// failed for longer than one, if there is another process: that one takes a lane which
// has been free for one.
const abstainLeases = 2

// errLaneYielded ends a session whose lane is for another process to work.
var errLaneYielded = errors.New("the lane is another relay's")

// meet says that this process is there, and learns who else is, until ctx ends.
func (g *Group) meet(ctx context.Context) {
	var abstains time.Time // until then
	for next := firstAbstention; ctx.Err() == nil; {
		lasts, now := g.cfg.Lease, time.Now()
		switch {
		case now.Before(abstains):
			lasts = 0
		case g.failsAll():
			lasts, abstains, next = 0, now.Add(next), min(2*next, lastAbstention)
		case now.After(abstains.Add(next)):
			next = firstAbstention
		}
		if g.sharesLanes() {
			g.join(ctx, lasts)
		}
		wait(ctx, g.cfg.Lease/leaseParts)
	}
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	if g.sharesLanes() {
		g.join(leaving, 0)
	}
}

func (g *Group) join(ctx context.Context, lasts time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Lease)
	defer cancel()
	members, err := g.source.Join(ctx, g.cfg.Name, lasts)
	if err != nil {
		g.cfg.Log.Debug("the other relays could not be asked for", "error", err)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Equal(g.members, members) {
		g.members = members
		g.met++
	}
}

// failsAll reports whether the process fails, on each lane that it does not leave to others.
func (g *Group) failsAll() bool {
	if g.Status().State != Failing {
		return false
	}
	return !slices.ContainsFunc(g.Lanes(), func(l LaneStatus) bool { return l.State != Standby && l.Problem == nil })
}

// sharesLanes reports whether there are several lanes.
func (g *Group) sharesLanes() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for p := range g.working {
		if p.Lanes > 1 {
			return true
		}
	}
	return false
}

// prefers reports whether a lane is for this process to work. met is how often the
// members have changed.
func (g *Group) prefers(p Part) (own bool, met int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.Lanes == 1 || len(g.members) == 0 {
		return true, g.met
	}
	return g.members[p.Index%len(g.members)] == g.cfg.Name, g.met
}

// turn reports whether the lane is for this process to claim: it is its own, or has
// been free for a lease, since its own process does not come for it.
func (p *place) turn(ctx context.Context, r *Relay) (holder string, may bool, err error) {
	own, met := p.group.prefers(p.Part)
	p.took = met
	abstains := p.abstains(r.cfg.Lease)
	if own && !abstains {
		p.free = time.Time{}
		return "", true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Lease)
	defer cancel()
	holder, err = p.group.source.Holder(ctx, r.cfg.Lane, r.cfg.Lease)
	if err != nil || holder != "" || abstains {
		p.free = time.Time{}
		return holder, holder == r.cfg.Name, err
	}
	if p.free.IsZero() {
		p.free = time.Now()
	}
	return "", time.Since(p.free) > r.cfg.Lease, nil
}

// ended notes how a session of the lane has ended. worked tells that it did, for a while.
func (p *place) ended(worked, failed bool) {
	if worked {
		p.fails = time.Time{}
	}
	if !failed {
		return
	}
	p.failed = time.Now()
	if p.fails.IsZero() {
		p.fails = p.failed
	}
}

// abstains reports whether the lane is for another process to try.
func (p *place) abstains(lease time.Duration) bool {
	return p.failed.Sub(p.fails) > lease && time.Since(p.failed) < abstainLeases*lease && p.group.others()
}

// others reports whether there are other processes.
func (g *Group) others() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.ContainsFunc(g.members, func(m string) bool { return m != g.cfg.Name })
}

// yields reports whether the lane, which this process works, has become another one's.
func (p *place) yields() bool {
	own, met := p.group.prefers(p.Part)
	return !own && met != p.took
}
