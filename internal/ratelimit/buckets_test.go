package ratelimit_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gamemetrics/gmctl/internal/ratelimit"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestTake(t *testing.T) {
	b, rate := ratelimit.New(1<<14), ratelimit.Rate{PerSecond: 10, Burst: 5}
	steps := []struct {
		after     time.Duration // since start
		name      string
		n         int
		ok        bool
		remaining int
		retry     time.Duration
	}{
		{0, "a", 3, true, 2, 0},
		{0, "a", 3, false, 2, 100 * time.Millisecond},
		{0, "a", 2, true, 0, 0},
		{0, "a", 0, false, 0, 100 * time.Millisecond},
		{0, "b", 5, true, 0, 0}, // of another name
		{50 * time.Millisecond, "a", 1, false, 0, 50 * time.Millisecond},
		{100 * time.Millisecond, "a", 1, true, 0, 0},
		{time.Second, "a", 0, true, 5, 0},  // full again, and never more than full
		{time.Second, "a", 25, true, 0, 0}, // more than it holds: when it is full
		{2 * time.Second, "a", 1, false, 0, 1100 * time.Millisecond},
		{3100 * time.Millisecond, "a", 1, true, 0, 0},
	}
	for i, step := range steps {
		got := b.Take("key", step.name, rate, step.n, start.Add(step.after))
		if got.OK != step.ok || got.Remaining != step.remaining || got.Retry != step.retry {
			t.Errorf("step %d: %d of %s gives %+v, want %t, %d left, again in %s", i, step.n, step.name, got, step.ok, step.remaining, step.retry)
		}
	}
	if got := b.Take("another key", "a", rate, 5, start); !got.OK {
		t.Errorf("a name in another scope shares the bucket: %+v", got)
	}
	if got := b.Take("key", "a", ratelimit.Rate{}, 1_000_000, start); !got.OK {
		t.Errorf("the zero rate limits: %+v", got)
	}
}

// What is given back can be taken again, and no bucket gets more than full by it.
func TestGive(t *testing.T) {
	b, rate := ratelimit.New(1<<14), ratelimit.Rate{PerSecond: 10, Burst: 5}
	b.Take("key", "a", rate, 4, start)
	if got := b.Give("key", "a", rate, 3, start); !got.OK || got.Remaining != 4 || got.Full != 100*time.Millisecond {
		t.Errorf("1 of 5 is taken, and this is left: %+v", got)
	}
	for range 2 {
		if got := b.Give("key", "a", rate, 3, start.Add(50*time.Millisecond)); got.Remaining != 5 || got.Full != 0 {
			t.Errorf("none is taken, and this is left: %+v", got)
		}
	}
	if got := b.Take("key", "a", rate, 5, start.Add(50*time.Millisecond)); !got.OK || got.Remaining != 0 {
		t.Errorf("a full bucket gives %+v", got)
	}
	if got := b.Give("key", "never used", rate, 3, start); got.Remaining != 5 {
		t.Errorf("a bucket that is not known has %+v", got)
	}
}

// Over any time no more is let through than a full bucket and what flows in, and
// the wait that is named is enough.
func TestTakeKeepsTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := ratelimit.Rate{PerSecond: rapid.Float64Range(0.1, 5000).Draw(t, "rate"), Burst: rapid.IntRange(1, 100).Draw(t, "burst")}
		b, now, taken := ratelimit.New(1<<14), start, 0
		for range rapid.IntRange(1, 200).Draw(t, "requests") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(100*time.Millisecond)).Draw(t, "pause")))
			n := rapid.IntRange(1, rate.Burst).Draw(t, "tokens")
			got := b.Take("", "a", rate, n, now)
			if got.OK {
				taken += n
			} else if again := b.Take("", "a", rate, 0, now.Add(got.Retry)); !again.OK || again.Remaining < n-1 {
				t.Fatalf("told to wait %s for %d, there are %+v then", got.Retry, n, again)
			}
			if most := float64(rate.Burst) + rate.PerSecond*now.Sub(start).Seconds() + 0.001; float64(taken) > most {
				t.Fatalf("%d tokens were given, %.3f were there", taken, most)
			}
		}
	})
}

// Names that are used once do not stay, and never more than memory is meant for.
func TestBucketsAreForgotten(t *testing.T) {
	b, rate := ratelimit.New(1<<14), ratelimit.Rate{PerSecond: 10}
	for i := range 100_000 {
		now := start.Add(time.Duration(i) * time.Millisecond) // each is full again after 100 ms
		if got := b.Take("", fmt.Sprint(i), rate, 1, now); !got.OK {
			t.Fatalf("name %d: %+v", i, got)
		}
	}
	if got := b.Len(); got > 64*128 {
		t.Errorf("%d buckets are remembered of some hundred that are not full", got)
	}
	slow := ratelimit.Rate{PerSecond: 0.001, Burst: 1}
	for i := range 100_000 {
		b.Take("", fmt.Sprint(i), slow, 1, start.Add(time.Hour))
	}
	if got := b.Len(); got > 1<<14 {
		t.Errorf("%d buckets are remembered", got)
	}
}

func BenchmarkTake(b *testing.B) {
	buckets, rate := ratelimit.New(1<<14), ratelimit.Rate{PerSecond: 1e9}
	names := make([]string, 10_000)
	for i := range names {
		names[i] = fmt.Sprintf("player-%d", i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		buckets.Take("key", names[i%len(names)], rate, 1, start.Add(time.Duration(i)))
	}
}

// A wall clock that is set back does not keep a name waiting: what counts is the
// monotonic reading of now.
func TestTakeWithAClockThatIsSet(t *testing.T) {
	b, rate := ratelimit.New(1<<14), ratelimit.Rate{PerSecond: 1000, Burst: 1}
	now := time.Now()
	if got := b.Take("", "a", rate, 1, now); !got.OK {
		t.Fatalf("the first is answered %+v", got)
	}
	if got := b.Take("", "a", rate, 1, now.Add(-time.Hour)); got.OK || got.Retry < time.Hour {
		t.Errorf("an hour before it is answered %+v", got)
	}
	if got := b.Take("", "a", rate, 1, now.Add(time.Second)); !got.OK {
		t.Errorf("a second later it is answered %+v", got)
	}
}
