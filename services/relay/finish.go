package relay

import (
	"context"
	"fmt"
	"time"
)

// farBehind is how many events of other lanes a lane reads before it says so in
// Kafka: whoever begins it again reads no more than those once more.
const farBehind = 100_000

// far reports whether the cursor in Kafka lies far behind a position, or is old: the event
// that it speaks of is deleted one day, and could after a failover not be told from one
// that was lost.
func (s *session) far(at Position) bool {
	return at.Seq-s.saved.Seq >= farBehind || s.saved.Before(at) && time.Since(s.savedAt) >= s.relay.cfg.CursorAge
}

// setOut writes the first cursor of a lane of a later layout. With it the lane has
// begun: it never waits again for those before it, and may note to have read further
// than it has published.
func (s *session) setOut(ctx context.Context) (published bool, err error) {
	if s.found || s.relay.cfg.place == nil || s.relay.cfg.place.Epoch == 0 {
		return false, nil
	}
	return true, s.publish(ctx, batch{reach: Reach{At: s.at}})
}

// tells reports whether a batch without events is one to act on. What was read is
// other lanes'.
func (s *session) tells(b batch) bool {
	if s.at.Before(b.reach.At) {
		s.at, s.event = b.reach.At, b.reach.Event
		s.relay.advanced(s.at, 0, 0)
	}
	return b.reach.End != nil || s.far(s.at)
}

// quiet does what a batch without events asks for.
func (s *session) quiet(ctx context.Context, b batch, published bool) error {
	if b.reach.End != nil {
		return s.finish(ctx, *b.reach.End, published)
	}
	if s.far(s.at) {
		return s.publish(ctx, batch{reach: Reach{At: s.at, Event: s.event}})
	}
	return nil
}

// finish writes the lane's last cursor, at the place where the next layout begins.
// The lane is then never begun again, so the session that does it is one that has
// published nothing, and has seen to it that Kafka has left nothing open (settle).
func (s *session) finish(ctx context.Context, end Position, published bool) error {
	switch {
	case published:
		return errAgain
	case s.found && end.Before(s.at):
		return lostLayout(fmt.Errorf("%w: lane %s has published up to %s, and its layout ends at %s", ErrHistory, s.relay.cfg.Lane, s.at, end))
	}
	if err := s.publish(ctx, batch{reach: Reach{At: end}, ends: true}); err != nil {
		return err
	}
	return errLaneDone
}

// done returns errLaneDone for a lane's last cursor, if the database has the layout
// that begins there.
func (s *session) done(ctx context.Context, last *Cursor) error {
	r := s.relay
	layouts, err := r.cfg.place.group.source.Layouts(ctx)
	if err != nil {
		return err
	}
	for _, l := range layouts {
		if l.Epoch > r.cfg.place.Epoch && l.From == last.Position {
			r.advanced(last.Position, 0, 0)
			return errLaneDone
		}
	}
	return lostLayout(fmt.Errorf("%w: no layout begins at %s, where lane %s has ended", ErrHistory, last.Position, r.cfg.Lane))
}
