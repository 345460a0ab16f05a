package postgres

import (
	"context"
	_ "embed"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/services/relay"
)

var (
	//go:embed queries/layouts.sql
	allLayouts string
	//go:embed queries/layouts_lock.sql
	lockLayouts string
	//go:embed queries/layouts_add.sql
	addLayout string
	//go:embed queries/lanes_forget.sql
	forgetLanes string
	//go:embed queries/lanes_past.sql
	pastLanes string
	//go:embed queries/next_shared.sql
	nextOfLane string
	//go:embed queries/end.sql
	endOfLayout string
)

// noLayout is behind all layouts.
const noLayout = math.MaxInt32

var _ relay.Shared = (*Source)(nil)

// Layouts implements relay.Shared.
func (s *Source) Layouts(ctx context.Context) ([]relay.Layout, error) {
	rows, err := s.pool.Query(ctx, allLayouts, s.stream)
	if err != nil {
		return nil, s.explain(err)
	}
	layouts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l relay.Layout, err error) {
		return l, row.Scan(&l.Epoch, &l.Lanes, &l.From.Xid, &l.From.Seq)
	})
	if err != nil {
		return nil, s.explain(err)
	}
	return layouts, nil
}

// SetLanes implements relay.Shared. It takes the lock by a statement of its own: what comes
// behind it sees what the one before has changed.
func (s *Source) SetLanes(ctx context.Context, lanes int) (changed bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockLayouts); err != nil {
			return err
		}
		done, err := tx.Exec(ctx, addLayout, s.stream, lanes)
		changed = done.RowsAffected() > 0
		return err
	})
	if err != nil {
		return false, s.explain(err)
	}
	return changed, nil
}

// Forget implements relay.Shared.
func (s *Source) Forget(ctx context.Context, epoch int, topics []uuid.UUID) error {
	if _, err := s.pool.Exec(ctx, forgetLanes, s.stream, epoch, topics); err != nil {
		return s.explain(err)
	}
	return nil
}

// Past implements relay.Shared.
func (s *Source) Past(ctx context.Context, epoch int, topics []uuid.UUID) error {
	if _, err := s.pool.Exec(ctx, pastLanes, s.stream, epoch, topics); err != nil {
		return s.explain(err)
	}
	return nil
}

// Part implements relay.Shared.
func (s *Source) Part(p relay.Part) relay.Source {
	if p.Lanes == 1 {
		return &wholeLayout{Source: s, epoch: p.Epoch}
	}
	return &partOfLayout{Source: s, part: p}
}

// wholeLayout is all that a layout of one lane has.
type wholeLayout struct {
	*Source
	epoch int
	asked time.Time // whether the layout has ended
}

// endAsked is how often an idle lane asks that.
const endAsked = 200 * time.Millisecond

// Next implements relay.Source.
func (w *wholeLayout) Next(ctx context.Context, from relay.Database, after relay.Position, limit int, take func(*relay.Event) bool) (reach relay.Reach, err error) {
	taken := false
	err = w.events(ctx, func(e *relay.Event) bool { taken = true; return take(e) }, nextEvents, readOn(from, after, limit, w.epoch)...)
	if err != nil || taken || time.Since(w.asked) < endAsked {
		return reach, err
	}
	w.asked = time.Now()
	end, err := w.end(ctx, from, after, w.epoch)
	if err == nil && end.ended && !after.Before(end.at) {
		reach.End = &end.next
	}
	return reach, err
}

// partOfLayout is what one of several lanes has: the players whose hash is its own.
type partOfLayout struct {
	*Source
	part relay.Part
}

// Next implements relay.Source.
func (p *partOfLayout) Next(ctx context.Context, from relay.Database, after relay.Position, limit int, take func(*relay.Event) bool) (reach relay.Reach, err error) {
	end, err := p.end(ctx, from, after, p.part.Epoch) // before the events: up to there they are final
	if err != nil {
		return reach, err
	}
	if end.ended {
		reach.End = &end.next
	}
	if !after.Before(end.at) {
		return reach, nil
	}
	reach.At, reach.Event = end.at, end.event
	return reach, p.events(ctx, take, nextOfLane, readOn(from, after, limit, p.part.Index, p.part.Lanes, end.at.Xid, end.at.Seq)...)
}

// end is how far a layout can be read.
type end struct {
	at    relay.Position // of the last event that is final
	event uuid.UUID      // that event
	ended bool           // no more will come
	next  relay.Position // where the next layout begins, if there is one
}

func (s *Source) end(ctx context.Context, from relay.Database, after relay.Position, epoch int) (end, error) {
	var e end
	err := s.pool.QueryRow(ctx, endOfLayout, epoch, int64(from.SystemIdentifier), int64(from.Timeline), after.Xid).Scan(&e.at.Xid, &e.at.Seq, &e.event, &e.ended, &e.next.Xid, &e.next.Seq)
	if err != nil {
		return end{}, s.explain(err)
	}
	return e, nil
}
