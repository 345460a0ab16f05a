package postgres

import "sync/atomic"

// crowd expects more of what was seen just now: who sends one event again sends
// others again too, and a write that fails for one of them was in vain. The zero
// value expects nothing.
type crowd struct{ left atomic.Int64 }

// crowdWrites is for how many writes more of the kind are expected.
const crowdWrites = 20

func (c *crowd) seen() { c.left.Store(crowdWrites) }

// expected is asked before each write.
func (c *crowd) expected() bool {
	for {
		left := c.left.Load()
		if left == 0 {
			return false
		}
		if c.left.CompareAndSwap(left, left-1) {
			return true
		}
	}
}
