package latency

import (
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestQuantileIsCloseToTheExactOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(0, 1<<36), 1, 200).Draw(t, "microseconds")
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		var h Histogram
		for _, v := range values {
			h.Record(time.Duration(v) * time.Microsecond)
		}
		slices.Sort(values)
		exact := values[max(int(math.Ceil(q*float64(len(values))-1e-7)), 1)-1]
		got := h.Quantile(q).Microseconds()
		if got < exact || float64(got) > float64(exact)*(1+1.0/64) {
			t.Fatalf("quantile %v of %v: %d, exact %d", q, values, got, exact)
		}
		if h.Max().Microseconds() != values[len(values)-1] {
			t.Fatalf("max %v, exact %d", h.Max(), values[len(values)-1])
		}
	})
}

func TestEveryValueFallsIntoABucketThatHoldsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		us := rapid.Int64Range(0, 1<<maxBits-1).Draw(t, "microseconds")
		b := bucketOf(us)
		if b < 0 || b >= buckets || highestIn(b) < us || (b > 0 && highestIn(b-1) >= us) {
			t.Fatalf("%d µs in bucket %d up to %d", us, b, highestIn(b))
		}
	})
	if last := bucketOf(1<<maxBits - 1); last != buckets-1 {
		t.Fatalf("the longest duration is in bucket %d of %d", last, buckets)
	}
}

func TestOutOfRangeDurationsAreKeptAtTheEnds(t *testing.T) {
	var h Histogram
	h.Record(-time.Second)
	if h.Quantile(1) != 0 {
		t.Fatalf("a negative duration counts as %v", h.Quantile(1))
	}
	h.Record(math.MaxInt64)
	if h.Count() != 2 || h.Max() < 12*24*time.Hour {
		t.Fatalf("count %d, max %v", h.Count(), h.Max())
	}
}

func TestConcurrentRecordsAreAllCounted(t *testing.T) {
	var h Histogram
	var workers sync.WaitGroup
	for w := range 8 {
		workers.Go(func() {
			for i := range 1000 {
				h.Record(time.Duration(w*1000+i) * time.Microsecond)
			}
		})
	}
	workers.Wait()
	if h.Count() != 8000 || h.Max() != 7999*time.Microsecond {
		t.Fatalf("count %d, max %v", h.Count(), h.Max())
	}
	h.Reset()
	if h.Count() != 0 || h.Quantile(0.99) != 0 {
		t.Fatal("not empty after Reset")
	}
}
