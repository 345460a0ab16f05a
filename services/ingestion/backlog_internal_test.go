package ingestion

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// said is a Relayed that says what the test wants.
type said struct {
	bytes int64
	err   error
}

func (s *said) Backlog(context.Context) (Backlog, error) { return Backlog{Bytes: s.bytes}, s.err }

// A backlog that grows over its quota and shrinks again.
func TestBacklogGauge(t *testing.T) {
	source := &said{}
	g := &backlogGauge{source: source, quota: 1000, log: slog.New(slog.DiscardHandler)}
	for i, step := range []struct {
		bytes  int64
		err    error
		status string
	}{
		{0, nil, eventapi.StatusOK},
		{499, nil, eventapi.StatusOK},
		{500, nil, eventapi.StatusWarning},
		{999, nil, eventapi.StatusWarning},
		{1000, nil, eventapi.StatusUnavailable},
		{0, errors.New("the store is away: nothing is learned"), eventapi.StatusUnavailable},
		{801, nil, eventapi.StatusUnavailable}, // not in and out in turn
		{800, nil, eventapi.StatusWarning},
		{999, nil, eventapi.StatusWarning},
		{10, nil, eventapi.StatusOK},
	} {
		source.bytes, source.err = step.bytes, step.err
		g.ask(t.Context(), time.Minute)
		shown, ok := g.dependency()
		if !ok || shown.Status != step.status || (shown.Reason == "") != (step.status == eventapi.StatusOK) {
			t.Errorf("step %d, %d bytes: %+v, want %s", i, step.bytes, shown, step.status)
		}
		if refused := errors.Is(g.err(), ErrBacklogFull); refused != (step.status == eventapi.StatusUnavailable) {
			t.Errorf("step %d, %d bytes: refused: %t", i, step.bytes, refused)
		}
	}
	g.quota = 0
	source.bytes = 1 << 50
	g.ask(t.Context(), time.Minute)
	if _, ok := g.dependency(); ok || g.err() != nil {
		t.Error("without a quota something is refused")
	}
}
