package relay

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Layout is among how many lanes the events are shared out that transactions from
// From on store, up to the next layout's: each player's events are on one lane.
type Layout struct {
	Epoch int // layouts are numbered, the first is 0 and has one lane
	Lanes int
	From  Position // no event has this position
}

// MostLanes is how many lanes a layout has at most.
const MostLanes = 64

// Part is one of the lanes of a layout.
type Part struct {
	Epoch, Lanes int
	Index        int // from 0
}

// Lane is the name under which the position is kept: the first layout's lane is the
// one of a database that has never had another.
func (p Part) Lane() string {
	if p.Epoch == 0 {
		return DefaultLane
	}
	return DefaultLane + "-" + strconv.Itoa(p.Epoch) + "-" + strconv.Itoa(p.Index)
}

// leastBytes and leastBatch are what a lane may publish at once, however many there are.
const (
	leastBytes = 256 << 10
	leastBatch = 500
)

// bytes is how much the events of one transaction may have: one process may work all
// lanes, and has no more memory for them than for one.
func (p Part) bytes() int { return max(leastBytes, batchBytes/p.Lanes) }

// Shared is a Source whose events several lanes share. Its errors are *problem.Error.
type Shared interface {
	Source
	Lanes
	// Layouts returns all layouts, in order.
	Layouts(ctx context.Context) ([]Layout, error)
	// SetLanes makes the layout for all transactions to come, if the newest has another
	// number of lanes.
	SetLanes(ctx context.Context, lanes int) (changed bool, err error)
	// Part returns what a lane has, and when it ends.
	Part(p Part) Source
	// Join says that a member shares the lanes, for so long; with 0 that it no longer
	// does. It returns all who do, in an order that is the same for each of them.
	Join(ctx context.Context, member string, lasts time.Duration) ([]string, error)
	// Holder is who holds a lane now; "": no one. lease is that of its claims.
	Holder(ctx context.Context, lane string, lease time.Duration) (string, error)
	// Past notes that the lanes of earlier layouts have published all to these topics.
	Past(ctx context.Context, epoch int, topics []uuid.UUID) error
	// Forget takes back what lanes of later layouts have noted of other topics.
	Forget(ctx context.Context, epoch int, topics []uuid.UUID) error
}

// lanesOf are the parts of a layout.
func lanesOf(l Layout) []Part {
	parts := make([]Part, l.Lanes)
	for i := range parts {
		parts[i] = Part{Epoch: l.Epoch, Lanes: l.Lanes, Index: i}
	}
	return parts
}

// neighbours finds a layout, and those before and behind it; nil: there is none.
func neighbours(layouts []Layout, epoch int) (before, own, next *Layout, err error) {
	i := slices.IndexFunc(layouts, func(l Layout) bool { return l.Epoch == epoch })
	if i < 0 {
		return nil, nil, nil, fmt.Errorf("%w: the database knows of no layout %d", ErrHistory, epoch)
	}
	if i > 0 {
		before = &layouts[i-1]
	}
	if i+1 < len(layouts) {
		next = &layouts[i+1]
	}
	return before, &layouts[i], next, nil
}
