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

// abstains is how long a process with a lane that fails leaves its lanes to others.
const abstains = 10 * time.Second

// errLaneYielded ends a session whose lane is for another process to work.
var errLaneYielded = errors.New("the lane is another relay's")

// meet says that this process is there, and learns who else is, until ctx ends.
func (g *Group) meet(ctx context.Context) {
	var abstain time.Time
	for ctx.Err() == nil {
		lasts := g.cfg.Lease
		if g.Status().State == Failing {
			abstain = time.Now().Add(abstains)
		}
		if time.Now().Before(abstain) {
			lasts = 0
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
	if own {
		p.free = time.Time{}
		return "", true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Lease)
	defer cancel()
	holder, err = p.group.source.Holder(ctx, r.cfg.Lane, r.cfg.Lease)
	if err != nil || holder != "" {
		p.free = time.Time{}
		return holder, holder == r.cfg.Name, err
	}
	if p.free.IsZero() {
		p.free = time.Now()
	}
	return "", time.Since(p.free) > r.cfg.Lease, nil
}

// yields reports whether the lane, which this process works, has become another one's.
func (p *place) yields() bool {
	own, met := p.group.prefers(p.Part)
	return !own && met != p.took
}
