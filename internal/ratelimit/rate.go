package ratelimit

import (
	"math"
	"time"
)

// Rate is how fast a bucket fills, and how much it holds. The zero Rate limits
// nothing.
type Rate struct {
	PerSecond float64
	Burst     int // tokens of a full bucket; 0: those of one second, at least 1
}

// Limited reports whether the rate limits anything.
func (r Rate) Limited() bool { return r.PerSecond > 0 }

// Or is the rate, or another where it limits nothing.
func (r Rate) Or(other Rate) Rate {
	if r.Limited() {
		return r
	}
	return other
}

// Size is the number of tokens of a full bucket.
func (r Rate) Size() int {
	if r.Burst > 0 {
		return r.Burst
	}
	return max(1, int(math.Ceil(r.PerSecond)))
}

// Window is how long an empty bucket takes to fill.
func (r Rate) Window() time.Duration { return r.cost(r.Size()) }

// cost is how long the bucket takes to gain n tokens.
func (r Rate) cost(n int) time.Duration {
	const most = math.MaxInt64 / 4 // so that a cost can be added to a time
	return time.Duration(min(float64(n)*float64(time.Second)/r.PerSecond, most))
}
