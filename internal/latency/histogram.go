// Package latency counts durations into a histogram of fixed size and fixed
// relative precision, and answers quantiles from it.
package latency

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	subBits    = 7 // 2^6 buckets per power of two: quantiles are at most 1/64 too high
	subBuckets = 1 << subBits
	maxBits    = 40 // of a value in microseconds: 12 days
	buckets    = subBuckets + (maxBits-subBits)*subBuckets/2
)

// Histogram counts durations at a resolution of a microsecond. Its zero value
// is empty and ready. All methods may be called concurrently.
type Histogram struct {
	counts [buckets]atomic.Uint64
	count  atomic.Uint64
	max    atomic.Int64 // microseconds
}

// Record counts one duration; a negative one counts as zero.
func (h *Histogram) Record(d time.Duration) {
	us := min(max(d.Microseconds(), 0), 1<<maxBits-1)
	h.counts[bucketOf(us)].Add(1)
	h.count.Add(1)
	for {
		old := h.max.Load()
		if us <= old || h.max.CompareAndSwap(old, us) {
			return
		}
	}
}

// Count is how many durations were recorded.
func (h *Histogram) Count() uint64 { return h.count.Load() }

// Max is the longest duration recorded, to the microsecond.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max.Load()) * time.Microsecond }

// Quantile returns a duration that the share q (0..1) of those recorded does
// not exceed: exact below 128 µs, else at most 1.6 % too high and never above
// Max. It is 0 when nothing was recorded.
func (h *Histogram) Quantile(q float64) time.Duration {
	total := h.count.Load()
	if total == 0 {
		return 0
	}
	rank := min(max(uint64(q*float64(total)+0.9999999), 1), total)
	seen := uint64(0)
	for i := range h.counts {
		seen += h.counts[i].Load()
		if seen >= rank {
			return time.Duration(min(highestIn(i), h.max.Load())) * time.Microsecond
		}
	}
	return h.Max()
}

// Reset forgets everything. A Record that runs at the same moment may be half kept.
func (h *Histogram) Reset() {
	for i := range h.counts {
		h.counts[i].Store(0)
	}
	h.count.Store(0)
	h.max.Store(0)
}

// Values below 128 have a bucket each; above, each power of two has 64, told
// apart by the value's seven highest bits.
func bucketOf(us int64) int {
	shift := max(bits.Len64(uint64(us))-subBits, 0)
	if shift == 0 {
		return int(us)
	}
	return subBuckets + (shift-1)*subBuckets/2 + int(us>>shift) - subBuckets/2
}

// highestIn is the highest value that falls into a bucket.
func highestIn(bucket int) int64 {
	if bucket < subBuckets {
		return int64(bucket)
	}
	above := bucket - subBuckets
	shift := above/(subBuckets/2) + 1
	top := int64(above%(subBuckets/2) + subBuckets/2)
	return (top+1)<<shift - 1
}
