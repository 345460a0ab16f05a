package drive

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gamemetrics/gmctl/internal/latency"
)

// Tally counts while a run goes on. Its zero value is ready for one run.
type Tally struct {
	stored, rejected, failed, unsent, requests atomic.Int64
	retries                                    atomic.Int64
	latency, recent                            latency.Histogram

	mu           sync.Mutex
	reasons      map[string]int64
	measureFrom  time.Time
	lastAnswer   time.Time
	measured     int64 // events answered since measureFrom
	planned      int64
	finished     bool
	lastLook     time.Time
	lastAnswered int64
}

// maxReasons bounds how many different reasons are told apart.
const maxReasons = 50

func (t *Tally) begin(warmup time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastLook = time.Now()
	t.measureFrom = t.lastLook.Add(warmup)
	t.reasons = map[string]int64{}
}

func (t *Tally) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.finished = true
}

func (t *Tally) due(planned int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.planned = planned
}

func (t *Tally) notSent(events int) { t.unsent.Add(int64(events)) }

// Retry counts one try that was not the first of its request.
func (t *Tally) Retry() { t.retries.Add(1) }

func (t *Tally) answered(r request, at time.Time, rejected []string, err error) {
	t.requests.Add(1)
	n := int64(len(r.events))
	if err != nil {
		t.failed.Add(n)
	} else {
		t.rejected.Add(int64(len(rejected)))
		t.stored.Add(n - int64(len(rejected)))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.because(err.Error(), n)
	}
	for _, reason := range rejected {
		t.because(reason, 1)
	}
	if r.due.Before(t.measureFrom) {
		return
	}
	t.latency.Record(at.Sub(r.due))
	t.recent.Record(at.Sub(r.due))
	if err == nil {
		t.measured += n
	}
	if at.After(t.lastAnswer) {
		t.lastAnswer = at
	}
}

func (t *Tally) because(reason string, events int64) {
	if _, known := t.reasons[reason]; !known && len(t.reasons) >= maxReasons {
		reason = "other reasons"
	}
	t.reasons[reason] += events
}

// Latency says how long requests took, from when they were due to their
// answer, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func quantiles(h *latency.Histogram) Latency {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return Latency{P50: ms(h.Quantile(0.5)), P90: ms(h.Quantile(0.9)), P99: ms(h.Quantile(0.99)), Max: ms(h.Max())}
}

// Report is what a run did. Rate, requests' latency and seconds leave the
// warmup out; the counts do not.
type Report struct {
	TargetRate   float64          `json:"targetRate,omitempty"` // events per second; left out: as fast as possible
	AchievedRate float64          `json:"achievedRate"`         // events answered per second
	Seconds      float64          `json:"seconds"`              // measured
	Sent         int64            `json:"sent"`                 // events in requests that were tried
	Stored       int64            `json:"stored"`
	Rejected     int64            `json:"rejected"`
	Failed       int64            `json:"failed"` // not acknowledged, for good
	Unsent       int64            `json:"unsent"` // due, but the run ended before a connection was free
	Requests     int64            `json:"requests"`
	Retries      int64            `json:"retries"`
	LatencyMs    Latency          `json:"latencyMs"`         // per request, from when it was due
	Reasons      map[string]int64 `json:"reasons,omitempty"` // of Rejected and Failed: events by reason
}

// Report returns the counts so far.
func (t *Tally) Report(targetRate float64) Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := Report{
		TargetRate: targetRate,
		Stored:     t.stored.Load(), Rejected: t.rejected.Load(), Failed: t.failed.Load(),
		Requests: t.requests.Load(), Retries: t.retries.Load(),
		LatencyMs: quantiles(&t.latency),
		Reasons:   map[string]int64{},
	}
	r.Sent = r.Stored + r.Rejected + r.Failed
	r.Unsent = t.unsent.Load()
	if t.finished {
		r.Unsent = max(t.planned-r.Sent, r.Unsent)
	}
	if elapsed := t.lastAnswer.Sub(t.measureFrom).Seconds(); elapsed > 0 {
		r.Seconds = elapsed
		r.AchievedRate = float64(t.measured) / elapsed
	}
	maps.Copy(r.Reasons, t.reasons)
	return r
}

// Recent is what happened since the look before.
type Recent struct {
	Rate      float64 // events answered per second
	Answered  int64   // events, since the start
	Failed    int64   // events rejected or failed, since the start
	Retries   int64   // since the start
	LatencyMs Latency
}

// Look returns what happened since the last Look.
func (t *Tally) Look() Recent {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	r := Recent{
		Answered:  t.stored.Load() + t.rejected.Load() + t.failed.Load(),
		Failed:    t.rejected.Load() + t.failed.Load(),
		Retries:   t.retries.Load(),
		LatencyMs: quantiles(&t.recent),
	}
	if elapsed := now.Sub(t.lastLook).Seconds(); elapsed > 0 {
		r.Rate = float64(r.Answered-t.lastAnswered) / elapsed
	}
	t.recent.Reset()
	t.lastLook, t.lastAnswered = now, r.Answered
	return r
}
