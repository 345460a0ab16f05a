package local

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// A supervisor serves its environment alone, for as long as it lives; whoever
// only looks does not keep one from starting.
func TestOneSupervisorServesAnEnvironment(t *testing.T) {
	dirs := newDirs(t)
	spec, err := NewSpec("local", dirs, config.Local{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := NewClient(dirs)
	looking, stopLooking := context.WithCancel(t.Context())
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		for looking.Err() == nil {
			if _, err := client.Alive(); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	defer func() { stopLooking(); <-looked }()

	for life := range 5 {
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- Serve(ctx, spec) }()
		first := awaitSnapshot(t, client, ended)

		if p, ok := errors.AsType[*problem.Error](Serve(t.Context(), spec)); !ok || p.Kind != problem.Locked {
			t.Errorf("life %d: a second supervisor ended with %v", life, p)
		}
		if after, err := client.Snapshot(t.Context(), false); err != nil || after.Boot != first.Boot {
			t.Errorf("life %d: after that the first is %+v, %v, it was %+v", life, after, err, first)
		}
		end()
		if err := <-ended; err != nil {
			t.Errorf("life %d ended with %v", life, err)
		}
	}
}

func awaitSnapshot(t *testing.T, client *Client, ended <-chan error) Snapshot {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if snapshot, err := client.Snapshot(t.Context(), false); err == nil {
			return snapshot
		}
		select {
		case err := <-ended:
			t.Fatalf("the supervisor ended with %v", err)
		default:
		}
	}
	t.Fatal("the supervisor does not answer")
	return Snapshot{}
}
