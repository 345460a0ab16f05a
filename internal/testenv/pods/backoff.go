package pods

import "time"

// backOff is how long to wait before the next try: each time twice as long.
type backOff struct {
	first, most, now time.Duration
	forget           time.Duration // of running well that ends it
}

func (b *backOff) next() time.Duration {
	if b.now == 0 {
		b.now = b.first
	}
	delay := b.now
	b.now = min(b.now*2, b.most)
	return delay
}

func (b *backOff) reset() { b.now = 0 }
