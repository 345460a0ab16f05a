package ingestion

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// said is a Relayed that says what the test wants.
type said struct {
	backlog Backlog
	err     error
}

func (s *said) Backlog(context.Context) (Backlog, error) { return s.backlog, s.err }

// A backlog that grows over its quota and shrinks again.
func TestBacklogGauge(t *testing.T) {
	source := &said{}
	g := &backlogGauge{source: source, quota: 1000, log: slog.New(slog.DiscardHandler)}
	for i, step := range []struct {
		bytes, letters int64
		err            error
		status         string
		refused        string // what is
	}{
		{0, 0, nil, eventapi.StatusOK, ""},
		{499, 249, nil, eventapi.StatusOK, ""},
		{500, 0, nil, eventapi.StatusWarning, ""},
		{999, 0, nil, eventapi.StatusWarning, ""},
		{1000, 0, nil, eventapi.StatusWarning, "events letters"},
		{0, 0, errors.New("the store is away: nothing is learned"), eventapi.StatusWarning, "events letters"},
		{801, 0, nil, eventapi.StatusWarning, "events letters"}, // not in and out in turn
		{800, 0, nil, eventapi.StatusWarning, ""},
		{999, 0, nil, eventapi.StatusWarning, ""},
		{300, 250, nil, eventapi.StatusWarning, "letters"},
		{300, 201, nil, eventapi.StatusWarning, "letters"},
		{300, 200, nil, eventapi.StatusOK, ""},
		{10, 10, nil, eventapi.StatusOK, ""},
	} {
		source.backlog, source.err = Backlog{Bytes: step.bytes, Letters: step.letters}, step.err
		g.ask(t.Context(), time.Minute)
		shown, ok := g.dependency()
		if !ok || shown.Status != step.status || (shown.Reason == "") != (step.status == eventapi.StatusOK) || strings.Contains(shown.Reason, "503") != (step.refused != "") {
			t.Errorf("step %d, %d bytes: %+v, want %s", i, step.bytes, shown, step.status)
		}
		var refused []string
		if errors.Is(g.err(), ErrBacklogFull) {
			refused = append(refused, "events")
		}
		if errors.Is(g.letterErr(), ErrBacklogFull) {
			refused = append(refused, "letters")
		}
		if got := strings.Join(refused, " "); got != step.refused {
			t.Errorf("step %d, %d bytes, %d of letters: refused: %q, want %q", i, step.bytes, step.letters, got, step.refused)
		}
	}
	g.quota = 0
	source.backlog = Backlog{Bytes: 1 << 50, Letters: 1 << 50}
	g.ask(t.Context(), time.Minute)
	if _, ok := g.dependency(); ok || g.err() != nil || g.letterErr() != nil {
		t.Error("without a quota something is refused")
	}
}

// A backlog that cannot be measured: the quota is off, and who runs the service hears of it.
func TestBacklogThatIsNotKnown(t *testing.T) {
	var log strings.Builder
	source := &said{err: errors.New("permission denied for table relay_lanes")}
	g := &backlogGauge{source: source, quota: 1000, log: slog.New(slog.NewTextHandler(&log, nil))}
	for i, step := range []struct {
		err    error
		status string
		logged string // since the step before
	}{
		{source.err, eventapi.StatusOK, ""},
		{source.err, eventapi.StatusOK, ""},
		{source.err, eventapi.StatusWarning, "level=WARN"},
		{source.err, eventapi.StatusWarning, ""},
		{nil, eventapi.StatusOK, "level=INFO"},
		{source.err, eventapi.StatusOK, ""},
		{nil, eventapi.StatusOK, ""},
	} {
		log.Reset()
		source.err = step.err
		g.ask(t.Context(), time.Minute)
		shown, ok := g.dependency()
		if !ok || shown.Status != step.status || strings.Contains(shown.Reason, "permission denied") != (step.status == eventapi.StatusWarning) || g.err() != nil {
			t.Errorf("step %d: %+v", i, shown)
		}
		if got := log.String(); !strings.Contains(got, step.logged) || (got == "") != (step.logged == "") {
			t.Errorf("step %d logs %q, want %q", i, got, step.logged)
		}
	}
	log.Reset()
	source.err = context.Canceled
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for range backlogUnknown {
		g.ask(stopped, time.Minute)
	}
	if log.String() != "" {
		t.Errorf("a service that stops says %s", log.String())
	}
}
