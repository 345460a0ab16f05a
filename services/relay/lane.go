package relay

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Lanes lets one of several relays of a lane work while the others stand by. It
// spares them from fencing each other in turn, no more: that no two publish the
// same is up to Kafka's transactional id, also when two believe that they hold
// the lane.
type Lanes interface {
	// Claim takes the lane or keeps it, where no one else holds it, and returns who
	// holds it now; "" if that is not known.
	Claim(ctx context.Context, c Claim) (holder string, err error)
	// Leave gives the lane up, if Claim.Holder holds it.
	Leave(ctx context.Context, c Claim) error
	// Noted returns what was last claimed of the lane, the zero Note if nothing was.
	Noted(ctx context.Context, lane string) (Note, error)
	// Progress returns up to where a lane is known to have published, whichever relay
	// works it; it may be further. "" stands for all lanes of the layouts, of which the
	// one furthest behind counts.
	Progress(ctx context.Context, lane string) (Position, error)
}

// Claim is what a relay says of itself.
type Claim struct {
	Lane   string
	Holder string        // the relay
	For    time.Duration // after which others may take the lane, unless it is claimed again
	// Published is how far the relay knows to have come: what lies behind it may
	// be published, what lies before it is.
	Published Position
	// Topics are the ids of the topics that it publishes to; nil as long as it does
	// not know where it is, and Published says nothing.
	Topics []uuid.UUID
}

// Note is what the database knows of a lane.
type Note struct {
	Published Position    // at least up to here
	Topics    []uuid.UUID // published to these; empty: not known
	// GoOn is set where someone has said that a relay without a cursor goes on
	// behind Published.
	GoOn bool
}

const (
	// DefaultLease is how long a relay that says no more keeps its lane.
	DefaultLease = 5 * time.Second
	// leaseParts is how often a lane is claimed while one claim holds.
	leaseParts = 4
	// leaveTimeout bounds the last word of a relay that ends: without it the lane
	// is free when the lease is over.
	leaveTimeout = 2 * time.Second
)

// errLaneLost ends a session whose lane another relay has taken.
var errLaneLost = errors.New("another relay has taken the lane")

// ownName tells this relay from every other one, also from one of this process
// and from the one that had the process id before.
func ownName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "?"
	}
	return host + ":" + strconv.Itoa(os.Getpid()) + "-" + rand.Text()[:6]
}

// turn is a session, and before it the wait until the lane is this relay's.
func (r *Relay) turn(ctx context.Context) (progressed bool, err error) {
	if r.cfg.Lanes == nil {
		return r.session(ctx)
	}
	defer r.forgets()
	if err := r.standBy(ctx); err != nil {
		return false, err
	}
	working, end := context.WithCancelCause(ctx)
	var keeper sync.WaitGroup
	keeper.Go(func() { r.keepLane(working, end) })
	progressed, err = r.session(working)
	cause := context.Cause(working)
	end(nil)
	keeper.Wait()
	failed := false
	switch {
	case errors.Is(err, errLaneDone):
		r.leaveLane(ctx)
	case errors.Is(cause, errLaneYielded):
		r.leaveLane(ctx)
		r.cfg.Log.Info("the lane is left to another relay", "lane", r.cfg.Lane)
		return progressed, errLaneLost
	case errors.Is(cause, errLaneLost):
		r.cfg.Log.Warn("another relay has taken the lane", "lane", r.cfg.Lane)
		return progressed, errLaneLost
	case ctx.Err() != nil || !errors.Is(err, errAgain) && !isFenced(err):
		r.leaveLane(ctx) // another one may have more luck
		failed = true
	}
	if s := r.Status(); r.cfg.place != nil {
		r.cfg.place.ended(progressed || s.State == Running && time.Since(s.Since) > r.cfg.Lease, failed)
	}
	return progressed, err
}

// standBy returns when the lane is this relay's.
func (r *Relay) standBy(ctx context.Context) error {
	told := ""
	for {
		holder, err := r.claimInTurn(ctx)
		if err != nil {
			return err
		}
		if holder == r.cfg.Name {
			r.enter(Starting, r.Status().Problem)
			return nil
		}
		if why := r.Status().Problem; holder == "" && why != nil {
			r.enter(Failing, why)
		} else {
			r.standingBy(holder)
		}
		if holder != told && holder != "" {
			r.cfg.Log.Info("standing by", "active", holder, "lane", r.cfg.Lane)
			told = holder
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(r.cfg.Lease / leaseParts):
		}
	}
}

// keepLane claims the lane again and again until ctx ends, and ends it when the
// lane is another one's. That the database does not answer ends nothing: whoever
// takes the lane will fence this relay.
func (r *Relay) keepLane(ctx context.Context, end context.CancelCauseFunc) {
	every := time.NewTicker(r.cfg.Lease / leaseParts)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		holder, err := r.claim(ctx)
		switch {
		case err != nil:
			r.cfg.Log.Debug("the lane could not be kept", "error", err)
		case holder != r.cfg.Name:
			end(errLaneLost)
			return
		case r.cfg.place != nil && r.cfg.place.yields():
			end(errLaneYielded)
			return
		}
	}
}

// claimInTurn claims the lane, if it is not for another process to do.
func (r *Relay) claimInTurn(ctx context.Context) (holder string, err error) {
	if r.cfg.place != nil {
		if holder, may, err := r.cfg.place.turn(ctx, r); err != nil || !may {
			return holder, err
		}
	}
	return r.claim(ctx)
}

// claim is not cut short at once when the relay is to stop: the database may have carried
// it out, and the lane would be no one's for the time of a lease.
func (r *Relay) claim(stopping context.Context) (holder string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(stopping), r.cfg.Lease)
	defer cancel()
	defer context.AfterFunc(stopping, func() { time.AfterFunc(leaveTimeout, cancel) })()
	return r.cfg.Lanes.Claim(ctx, r.ownClaim())
}

func (r *Relay) leaveLane(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	if err := r.cfg.Lanes.Leave(ctx, r.ownClaim()); err != nil {
		r.cfg.Log.Debug("the lane could not be left, others wait until the lease is over", "error", err)
	}
}

func (r *Relay) ownClaim() Claim {
	c := Claim{Lane: r.cfg.Lane, Holder: r.cfg.Name, For: r.cfg.Lease}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.topics != nil {
		c.Topics, c.Published = r.topics, r.status.Cursor
	}
	return c
}

// knows notes that the relay knows where it is, in these topics.
func (r *Relay) knows(topics []uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.topics, r.located = topics, true
}

// forgets notes that it no longer does: another relay may work the lane from here on.
func (r *Relay) forgets() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.topics, r.located = nil, false
}
