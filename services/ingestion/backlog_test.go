package ingestion_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// unpublished is a backlog of so many bytes.
type unpublished int64

func (u unpublished) Backlog(context.Context) (ingestion.Backlog, error) {
	return ingestion.Backlog{Events: int64(u) / 500, Bytes: int64(u)}, nil
}

func testBacklog(t *testing.T, c *contract) {
	with := func(bytes int64) *api {
		a := serve(t, c, func(config *ingestion.Config) {
			config.Backlog, config.BacklogQuota = unpublished(bytes), 1_000_000
		})
		for range 1000 { // until it has asked
			if strings.Contains(a.send(t, "GET", "/metrics", "", nil).body, "gamemetrics_ingestion_backlog_events 0\n") {
				time.Sleep(5 * time.Millisecond)
				continue
			}
			break
		}
		return a
	}
	much := with(700_000)
	if got := much.send(t, "GET", "/ready", "", nil); got.status != 200 || !strings.Contains(got.body, `{"status":"warning"`) ||
		!strings.Contains(got.body, `"name":"backlog","status":"warning","reason":"about `) {
		t.Errorf("much is not published: ready %d %s", got.status, got.body)
	}
	if got := much.send(t, "POST", single, valid, nil); got.status != 201 {
		t.Errorf("much is not published: %d %s", got.status, got.body)
	}
	full := with(1_000_000)
	for path, body := range map[string]string{single: valid, batch: "[" + valid + "]"} {
		got := full.send(t, "POST", path, body, nil)
		if got.status != 503 || got.failure(t).Error.Code != eventapi.BacklogFull || got.header.Get("Retry-After") != "15" {
			t.Errorf("too much is not published: %s answered %d %s", path, got.status, got.body)
		}
	}
	if got := full.send(t, "GET", "/ready", "", nil); got.status != 503 || !strings.Contains(got.body, `"name":"backlog","status":"unavailable"`) {
		t.Errorf("too much is not published: ready %d %s", got.status, got.body)
	}
	if got := full.send(t, "GET", "/health", "", nil); got.status != 200 {
		t.Errorf("too much is not published: health %d", got.status)
	}
}
