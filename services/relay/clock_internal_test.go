package relay

import (
	"testing"
	"time"
)

// The machine's clock is of no matter to a record's time, only what the database says
// and how long ago it said so.
func TestClock(t *testing.T) {
	database := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := newClock(database)
	c.own = c.own.Add(-time.Hour)
	if got := c.now().Sub(database); got < time.Hour || got > 2*time.Hour {
		t.Errorf("an hour later it says %s later", got)
	}
	if got := time.Since(newClock(time.Time{}).now()); got < -time.Minute || got > time.Minute {
		t.Errorf("without a database it is %s behind", got)
	}
	now := c.now()
	for name, at := range map[string]struct{ made, want time.Time }{
		"long ago":          {now.Add(-9000 * time.Hour), now.Add(-9000 * time.Hour)},
		"by another clock":  {now.Add(30 * time.Second), now.Add(30 * time.Second)},
		"by a clock ahead":  {now.Add(2 * time.Hour), now},
		"nobody says when ": {time.Time{}, now},
	} {
		if got := stamp(at.made, now); !got.Equal(at.want) {
			t.Errorf("%s: %s, want %s", name, got, at.want)
		}
	}
}
