package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/services/ingestion"
)

// PartitionsAhead is for how many days after today partitions are made before
// an event asks for them.
const PartitionsAhead = 3

// EnsurePartitions makes the partitions of the UTC days that the timestamps
// fall in, where there are none. Several sessions may do so at once, and writes
// to other days go on meanwhile.
func EnsurePartitions(ctx context.Context, pool *pgxpool.Pool, timestamps []time.Time) error {
	days := make([]string, len(timestamps))
	for i, at := range timestamps {
		days[i] = at.UTC().Format(time.DateOnly)
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	_, err := pool.Exec(ctx, "SELECT ensure_events_partition(day) FROM (SELECT DISTINCT unnest($1::date[]) AS day ORDER BY day) days", days)
	return err
}

func daysAhead(now time.Time, ahead int) []time.Time {
	var days []time.Time
	for i := 0; i <= ahead; i++ {
		days = append(days, now.UTC().AddDate(0, 0, i))
	}
	return days
}

// knownDays remembers which days have a partition. Days are counted from the
// Unix epoch, in UTC.
type knownDays struct{ days sync.Map }

func dayOf(at time.Time) int64 {
	const secondsOfDay = 24 * 60 * 60
	seconds := at.Unix()
	if seconds < 0 {
		seconds -= secondsOfDay - 1 // so that the division rounds down
	}
	return seconds / secondsOfDay
}

// unknown returns one instant of each day of the records whose partition is not
// known to exist.
func (k *knownDays) unknown(records []ingestion.Record) []time.Time {
	var missing []time.Time
	last := int64(-1 << 62) // a batch mostly lies within one day
	for i := range records {
		at := records[i].Timestamp
		day := dayOf(at)
		if day == last {
			continue
		}
		last = day
		if _, ok := k.days.Load(day); !ok {
			missing = append(missing, at)
		}
	}
	return missing
}

func (k *knownDays) add(timestamps []time.Time) {
	for _, at := range timestamps {
		k.days.Store(dayOf(at), struct{}{})
	}
}

func (k *knownDays) forget() { k.days.Clear() }
