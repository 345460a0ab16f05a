package ingestion_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// unpublished is a backlog.
type unpublished ingestion.Backlog

func (u unpublished) Backlog(context.Context) (ingestion.Backlog, error) {
	return ingestion.Backlog(u), nil
}

// behind serves with a backlog, of which it knows, and a quota of 1,000,000 bytes.
func behind(t *testing.T, c *contract, backlog unpublished, change func(*ingestion.Config)) *api {
	t.Helper()
	a := serve(t, c, func(config *ingestion.Config) {
		config.Backlog, config.BacklogQuota = backlog, 1_000_000
		if change != nil {
			change(config)
		}
	})
	for range 1000 { // until it has asked
		if strings.Contains(a.send(t, "GET", "/metrics", "", nil).body, "gamemetrics_ingestion_backlog_bytes 0\n") {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		break
	}
	return a
}

func testBacklog(t *testing.T, c *contract) {
	much := behind(t, c, unpublished{Events: 1400, Bytes: 700_000}, nil)
	if got := much.send(t, "GET", "/ready", "", nil); got.status != 200 || !strings.Contains(got.body, `{"status":"warning"`) ||
		!strings.Contains(got.body, `"name":"backlog","status":"warning","reason":"about `) {
		t.Errorf("much is not published: ready %d %s", got.status, got.body)
	}
	if got := much.send(t, "POST", single, valid, nil); got.status != 201 {
		t.Errorf("much is not published: %d %s", got.status, got.body)
	}
	full := behind(t, c, unpublished{Events: 2000, Bytes: 1_000_000}, nil)
	for path, body := range map[string]string{single: valid, batch: "[" + valid + "]"} {
		backlogFull(t, "too much is not published", full.send(t, "POST", path, body, nil))
	}
	// Not ready, there would be no one to answer 503 with Retry-After.
	if got := full.send(t, "GET", "/ready", "", nil); got.status != 200 || !strings.Contains(got.body, `"name":"backlog","status":"warning"`) ||
		!strings.Contains(got.body, "events are answered with 503") {
		t.Errorf("too much is not published: ready %d %s", got.status, got.body)
	}
	if got := full.send(t, "GET", "/health", "", nil); got.status != 200 {
		t.Errorf("too much is not published: health %d", got.status)
	}
}

func backlogFull(t *testing.T, when string, got answer) {
	t.Helper()
	if got.status != 503 || got.failure(t).Error.Code != eventapi.BacklogFull || got.header.Get("Retry-After") != "15" {
		t.Errorf("%s: answered %d %s with %v", when, got.status, got.body, got.header)
	}
}

// Rejected events take up no more than their part of the quota, and leave the rest to
// those that are good.
func TestRejectedEventsHaveAPartOfTheQuota(t *testing.T) {
	for _, test := range []struct {
		backlog unpublished
		kept    bool
	}{
		{unpublished{Bytes: 600_000, Letters: 249_000}, true},
		{unpublished{Bytes: 250_000, Letters: 250_000}, false},
		{unpublished{Bytes: 1_000_000}, false},
	} {
		box := &mailbox{}
		a := behind(t, newContract(t), test.backlog, func(config *ingestion.Config) { config.Letters, config.DeadLetters = box, true })
		for path, body := range map[string]string{single: "{}", batch: "[{}]"} {
			got := a.send(t, "POST", path, body, nil)
			switch {
			case !test.kept:
				backlogFull(t, fmt.Sprintf("%+v", test.backlog), got)
			case got.status != 400 && got.status != 207:
				t.Errorf("%+v: %s answered %d %s", test.backlog, path, got.status, got.body)
			}
		}
		if kept := len(box.letters) == 2; kept != test.kept {
			t.Errorf("%+v: %d letters are kept", test.backlog, len(box.letters))
		}
		if test.backlog.Bytes == 1_000_000 {
			continue
		}
		if got := a.send(t, "POST", single, valid, nil); got.status != 201 {
			t.Errorf("%+v: a good event is answered %d %s", test.backlog, got.status, got.body)
		}
	}
}

// What runs the service can tell that it refuses events, though it is ready.
func TestRefusing(t *testing.T) {
	for bytes, refuses := range map[int64]bool{999: false, 1000: true} {
		known := make(chan struct{}, 100)
		s, err := ingestion.New(ingestion.Config{Store: &memory{}, Backlog: telling{unpublished{Bytes: bytes}, known}, BacklogQuota: 1000})
		if err != nil {
			t.Fatal(err)
		}
		<-known
		s.Close(t.Context()) // after which what it was told is noted
		if got := s.Refusing(); errors.Is(got, ingestion.ErrBacklogFull) != refuses || (got != nil) != refuses {
			t.Errorf("with %d of 1000 bytes: %v", bytes, got)
		}
	}
}

// telling tells when it was asked.
type telling struct {
	unpublished
	asked chan<- struct{}
}

func (t telling) Backlog(ctx context.Context) (ingestion.Backlog, error) {
	t.asked <- struct{}{}
	return t.unpublished.Backlog(ctx)
}
