//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// A picture is well-formed, and has a line for each quantile of each curve.
func TestDraw(t *testing.T) {
	c := curve{Title: "single events", points: []point{
		{1000, time.Millisecond, 2 * time.Millisecond, 9 * time.Millisecond},
		{11_000, 400 * time.Millisecond, 2 * time.Second, 3 * time.Second},
	}}
	picture, err := draw([]curve{c, c})
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for decoder := xml.NewDecoder(bytes.NewReader(picture)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, picture)
		}
		if element, ok := token.(xml.StartElement); ok && element.Name.Local == "polyline" {
			lines++
		}
	}
	if lines != 6 {
		t.Errorf("%d lines, want 6, in\n%s", lines, picture)
	}
}

// The past lies before now and within its days, each event on one of them, and what
// is sent again is a valid event.
func TestPast(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := newPast(10_000, pastDays, now)
	next := int64(0)
	p.days(func(day time.Time, first, behind int64) {
		if first != next || behind < first {
			t.Errorf("%s has events %d to %d, want from %d", day, first, behind, next)
		}
		for _, n := range []int64{first, behind - 1} {
			if at := time.UnixMilli(p.start + n*p.stepMs).UTC().Truncate(24 * time.Hour); behind > first && !at.Equal(day) {
				t.Errorf("event %d is of %s, not of %s", n, at, day)
			}
		}
		next = behind
	})
	if next != p.rows {
		t.Errorf("the days hold %d of %d events", next, p.rows)
	}
	decoder := event.NewDecoder(event.DefaultRules())
	seen := map[uuid.UUID]bool{}
	for n := range int(p.rows) {
		body := p.appendEvent(nil, p.any(n))
		e, err := decoder.Decode(body, now)
		if err != nil || !json.Valid(body) {
			t.Fatalf("%s: %v", body, err)
		}
		seen[e.EventID] = true
	}
	if len(seen) != int(p.rows) {
		t.Errorf("%d different events of %d are sent again", len(seen), p.rows)
	}
}
