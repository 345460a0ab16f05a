//go:build unix

package main

import (
	"context"
	stdjson "encoding/json"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// decode measures how an event is read and checked, against libraries that read it into
// the same struct by reflection, and check nothing of it.
func (s *scale) decode(_ context.Context, _ *grounds, print func(figure)) error {
	now := time.Now()
	body := appendEvent(nil, 1, now)
	decoder := event.NewDecoder(event.DefaultRules())
	ours, err := perCall(func() error { _, err := decoder.Decode(body, now); return err })
	if err != nil {
		return err
	}
	peers := []struct {
		name    string
		bounded bool
		read    func(*event.Event) error
	}{
		{"encoding/json", true, func(e *event.Event) error { return stdjson.Unmarshal(body, e) }},
		{"go-json-experiment", false, func(e *event.Event) error { return json.Unmarshal(body, e) }},
	}
	for _, peer := range peers {
		theirs, err := perCall(func() error { return peer.read(new(event.Event)) })
		if err != nil {
			return fmt.Errorf("%s: %w", peer.name, err)
		}
		f := against("an event of 300 bytes, read and checked", "µs", us(ours), us(theirs), peer.name+", read only")
		if peer.bounded {
			f = f.atMost(1)
		}
		print(f)
	}
	return nil
}

// perCall is how long work takes, in the mean of some seconds.
func perCall(work func() error) (time.Duration, error) {
	const during, stride = 3 * time.Second, 1000
	calls, began := 0, time.Now()
	for ; time.Since(began) < during; calls += stride {
		for range stride {
			if err := work(); err != nil {
				return 0, err
			}
		}
	}
	return time.Since(began) / time.Duration(calls), nil
}
