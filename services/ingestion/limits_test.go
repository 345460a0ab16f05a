package ingestion_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/internal/ratelimit"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

func batchOf(players ...string) string {
	var bodies []string
	for _, player := range players {
		bodies = append(bodies, of(player))
	}
	return "[" + strings.Join(bodies, ",") + "]"
}

func testLimits(t *testing.T, c *contract) {
	k := &keys{}
	slow := k.add(apikey.Key{Game: "chess", Settings: apikey.Settings{Rate: ratelimit.Rate{PerSecond: 0.1, Burst: 5}}})
	plain := k.add(apikey.Key{Game: "go"})
	a := guarded(t, c, k, func(config *ingestion.Config) {
		config.Limits = ingestion.Limits{Key: ratelimit.Rate{PerSecond: 50, Burst: 1000}, Player: ratelimit.Rate{PerSecond: 0.5, Burst: 2}}
	})
	t.Run("of a key", func(t *testing.T) {
		steps := []struct {
			path, body     string
			status         int
			limit, waiting string // RateLimit, Retry-After
		}{
			{single, of("l1"), 201, `"key";r=4;t=10`, ""},
			{batch, batchOf("l2", "l3"), 200, `"key";r=2;t=30`, ""},
			{batch, batchOf("l4", "l5", "l6"), 429, `"key";r=2;t=30`, "10"},
			{batch, batchOf("l4", "l5"), 200, `"key";r=0;t=50`, ""},
			{single, of("l7"), 429, `"key";r=0;t=50`, "10"},
		}
		for i, step := range steps {
			got := a.send(t, "POST", step.path, step.body, bearer(slow))
			if got.status != step.status || got.header.Get("RateLimit") != step.limit || got.header.Get("Retry-After") != step.waiting ||
				got.header.Get("RateLimit-Policy") != `"key";q=5;w=50` {
				t.Errorf("step %d is answered %d %s with %v", i, got.status, got.body, got.header)
			}
			if got.status == 429 && got.failure(t).Error.Code != eventapi.RateLimited {
				t.Errorf("step %d is answered %s", i, got.body)
			}
		}
		if got := a.send(t, "POST", single, of("l8"), bearer(plain)); got.status != 201 || got.header.Get("RateLimit-Policy") != `"key";q=1000;w=20` {
			t.Errorf("a key without a rate of its own is answered %d with %v", got.status, got.header)
		}
	})
	t.Run("of a player", func(t *testing.T) {
		for i, want := range []int{201, 201, 429} {
			got := a.send(t, "POST", single, of("eager"), bearer(plain))
			if got.status != want || want == 429 && (got.header.Get("RateLimit") != `"player";r=0;t=4` || got.header.Get("Retry-After") != "2") {
				t.Errorf("event %d is answered %d %s with %v", i, got.status, got.body, got.header)
			}
		}
		got := a.send(t, "POST", batch, batchOf("keen", "calm", "keen", "keen", "eager"), bearer(plain))
		var sum eventapi.BatchAnswer
		if err := json.Unmarshal([]byte(got.body), &sum); err != nil || got.status != 207 || got.header.Get("Retry-After") != "2" {
			t.Fatalf("the batch is answered %d %s with %v", got.status, got.body, got.header)
		}
		var statuses []string
		for _, r := range sum.Results {
			status := string(r.Status)
			if r.Error != nil {
				status = string(r.Error.Code)
			}
			statuses = append(statuses, status)
		}
		if want := "[stored stored stored rate-limited rate-limited]"; fmt.Sprint(statuses) != want || sum.Stored != 3 || sum.Rejected != 2 {
			t.Errorf("the results are %v, want %s", statuses, want)
		}
	})
	if metrics := a.send(t, "GET", "/metrics", "", nil).body; !strings.Contains(metrics, `gamemetrics_ingestion_events_rejected_total{reason="rate-limited"} 3`) {
		t.Errorf("the metrics count %s", metrics[strings.Index(metrics, "gamemetrics_ingestion_events_rejected"):][:200])
	}
}

// A rejected event that is kept counts for its key as one that is stored.
func TestRejectedEventsCountForTheirKey(t *testing.T) {
	k, box := &keys{}, &mailbox{}
	slow := k.add(apikey.Key{Settings: apikey.Settings{Rate: ratelimit.Rate{PerSecond: 0.1, Burst: 3}, DeadLetters: true}})
	a := guarded(t, newContract(t), k, func(config *ingestion.Config) { config.Letters = box })
	for i, step := range []struct {
		path, body string
		status     int
	}{{single, "{}", 400}, {batch, "[{},{}]", 207}, {batch, "[{}]", 429}, {single, "{}", 429}} {
		if got := a.send(t, "POST", step.path, step.body, bearer(slow)); got.status != step.status {
			t.Errorf("step %d is answered %d %s", i, got.status, got.body)
		}
	}
	if len(box.letters) != 3 {
		t.Errorf("%d letters are kept, want 3", len(box.letters))
	}
}

// Room may come while a batch is looked through: what its player did after an event
// that was too many waits with that one, for the order in which it happened.
func TestNothingOfAPlayerIsTakenAfterWhatWasTooMany(t *testing.T) {
	a := serve(t, newContract(t), func(config *ingestion.Config) {
		config.Limits = ingestion.Limits{Player: ratelimit.Rate{PerSecond: 100, Burst: 1}}
		var looks atomic.Int64 // each a millisecond after the one before
		config.Now = func() time.Time { return now.Add(time.Duration(looks.Add(1)) * time.Millisecond) }
	})
	got := a.send(t, "POST", batch, batchOf(slices.Repeat([]string{"fast"}, 50)...), nil)
	var sum eventapi.BatchAnswer
	if err := json.Unmarshal([]byte(got.body), &sum); err != nil || sum.Rejected == 0 {
		t.Fatalf("the batch is answered %d %.300s", got.status, got.body)
	}
	for i, r := range sum.Results[:len(sum.Results)-1] {
		if r.Error != nil && sum.Results[i+1].Error == nil {
			t.Fatalf("event %d is too many, and the next is stored", i)
		}
	}
}

// Where nothing is limited, nothing is said of limits.
func TestNoLimits(t *testing.T) {
	a := serve(t, newContract(t), nil)
	start := time.Now()
	for range 50 {
		if got := a.send(t, "POST", single, noID, nil); got.status != 201 || got.header.Get("RateLimit") != "" {
			t.Fatalf("after %s the answer is %d with %v", time.Since(start), got.status, got.header)
		}
	}
}
