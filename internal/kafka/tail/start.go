package tail

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/when"
)

// Start is where reading begins in every partition.
type Start struct {
	last   int       // the newest records, over all partitions; 0: not this way
	offset int64     // an offset, kafka.Earliest or kafka.Latest
	at     time.Time // the first record at or after it; zero: not this way
}

// Last begins so that the n newest records come first, over all partitions.
func Last(n int) Start { return Start{last: n} }

// ParseStart reads "beginning", "end", an offset, or a time as
// when.Past does.
func ParseStart(text string, now time.Time) (Start, error) {
	switch text {
	case "beginning", "start", "earliest":
		return Start{offset: kafka.Earliest}, nil
	case "end", "latest":
		return Start{offset: kafka.Latest}, nil
	}
	if offset, err := strconv.ParseInt(text, 10, 64); err == nil && offset >= 0 {
		return Start{offset: offset}, nil
	}
	if at, ok := when.Past(text, now); ok {
		return Start{at: at}, nil
	}
	return Start{}, &problem.Error{
		What: fmt.Sprintf("%q is no place to start from", text), Kind: problem.Usage,
		Next: "give beginning, end, an offset, " + when.Forms,
	}
}

// span is what there is to read: the offsets from first (included) to end
// (excluded), by topic and partition.
type span struct{ first, end map[string]map[int32]int64 }

// spanOf learns the offsets of the partitions, and begins where start says.
func spanOf(ctx context.Context, session *kafka.Session, partitions map[string][]int32, start Start, isolation kafka.Isolation) (span, error) {
	earliest, err := kafka.ListOffsets(ctx, session.Client, partitions, kafka.Earliest, isolation)
	if err != nil {
		return span{}, err
	}
	end, err := kafka.EndOffsets(ctx, session.Client, partitions, isolation)
	if err != nil {
		return span{}, err
	}
	var timed map[string]map[int32]int64
	if !start.at.IsZero() {
		if timed, err = kafka.ListOffsets(ctx, session.Client, partitions, start.at.UnixMilli(), isolation); err != nil {
			return span{}, err
		}
	}
	s := span{first: make(map[string]map[int32]int64), end: end}
	for topic, ids := range partitions {
		s.first[topic] = make(map[int32]int64)
		for _, id := range ids {
			s.first[topic][id] = start.in(earliest[topic][id], end[topic][id], timed[topic][id])
		}
	}
	return s, nil
}

// in returns where a partition begins; timed is its offset for the start's
// time, -1 where no record is that young.
func (s Start) in(earliest, end, timed int64) int64 {
	switch {
	case s.last > 0:
		return max(earliest, end-int64(s.last))
	case !s.at.IsZero() && timed < 0:
		return end
	case !s.at.IsZero():
		return timed
	case s.offset == kafka.Earliest:
		return earliest
	case s.offset == kafka.Latest:
		return end
	}
	return min(max(earliest, s.offset), end)
}

// empty reports whether there is nothing between first and end.
func (s span) empty() bool {
	for topic, partitions := range s.first {
		for id, first := range partitions {
			if first < s.end[topic][id] {
				return false
			}
		}
	}
	return true
}
