package ingestion_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/testenv/collector"
	"github.com/gamemetrics/gmctl/internal/tracing"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	parent  = "00-" + traceID + "-00f067aa0ba902b7-01"
)

// tracerOf is the tracer that the environment asks for; it ends with the test.
func tracerOf(t testing.TB) *tracing.Tracer {
	t.Helper()
	tracer, err := tracing.New(t.Context(), "ingestion", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tracer.Close(context.WithoutCancel(t.Context())) })
	return tracer
}

// traced is an API whose requests are traced to a collector.
func traced(t *testing.T, change func(*ingestion.Config)) (*api, *collector.Collector, *tracing.Tracer) {
	t.Helper()
	c := collector.Start(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	tracer := tracerOf(t)
	return serve(t, newContract(t), func(config *ingestion.Config) {
		config.Tracer = tracer
		if change != nil {
			change(config)
		}
	}), c, tracer
}

// find returns the spans of a name.
func find(spans []collector.Span, name string) (found []collector.Span) {
	for _, span := range spans {
		if span.Name == name {
			found = append(found, span)
		}
	}
	return found
}

// What events carry is the span of their request where it is recorded, and what the
// client sent where it is not.
func TestEventsCarryTheSpanOfTheirRequest(t *testing.T) {
	a, c, tracer := traced(t, nil)
	unsampled := strings.TrimSuffix(strings.ReplaceAll(parent, traceID, "11111111111111111111111111111111"), "01") + "00"
	a.send(t, "POST", single, noID, map[string]string{"Traceparent": parent})
	a.send(t, "POST", single, noID, map[string]string{"Traceparent": unsampled})
	a.send(t, "POST", batch, "["+noID+","+noID+"]", map[string]string{"Traceparent": parent})
	a.send(t, "GET", "/health", "", nil)
	tracer.Close(t.Context())

	spans := map[string]collector.Span{}
	for _, span := range c.Spans("") {
		spans[span.ID()] = span
		if strings.Contains(span.Name, "/health") {
			t.Errorf("the span %s is about no event", span.Name)
		}
	}
	carried := map[string]int{}
	for _, record := range a.store.stored() {
		if record.TraceParent == unsampled {
			carried["as sent"]++
			continue
		}
		span, ok := spans[strings.Split(record.TraceParent, "-")[2]]
		if !ok || !strings.HasPrefix(record.TraceParent, "00-"+traceID) || span.Kind.String() != "SPAN_KIND_SERVER" {
			t.Errorf("an event carries %s, which is the span %s", record.TraceParent, span.Name)
			continue
		}
		carried[span.Name]++
	}
	if carried["as sent"] != 1 || carried["POST "+single] != 1 || carried["POST "+batch] != 2 {
		t.Errorf("the events carry %v", carried)
	}
}

// Requests that share a write share its span, which has links to each of them.
func TestAGroupCommitIsOneSpan(t *testing.T) {
	a, c, tracer := traced(t, func(config *ingestion.Config) { config.Commit.Writers = 1 })
	a.store.set(nil, 200*time.Millisecond) // while the first is written, the others come
	const requests = 6
	var sending sync.WaitGroup
	for range requests {
		sending.Go(func() { a.send(t, "POST", single, noID, map[string]string{"Traceparent": parent}) })
	}
	sending.Wait()
	tracer.Close(t.Context())

	spans := c.Spans(traceID)
	served, waits, groups := find(spans, "POST "+single), find(spans, "wait for a writer"), find(spans, "group commit")
	if len(served) != requests || len(waits) != requests || len(groups) == 0 || len(groups) == requests {
		t.Fatalf("%d requests are %d spans, with %d waits and %d commits", requests, len(served), len(waits), len(groups))
	}
	for _, wait := range waits {
		linked := 0
		for _, group := range groups {
			if group.LinksTo(wait) && wait.LinksTo(group) {
				linked++
			}
		}
		if linked != 1 {
			t.Errorf("a wait is linked with %d commits", linked)
		}
	}
	for _, group := range groups {
		if group.Attribute("db.operation.batch.size") != fmt.Sprint(len(group.Links)) {
			t.Errorf("a commit of %s events has %d links", group.Attribute("db.operation.batch.size"), len(group.Links))
		}
	}
}

// A request that nobody takes up has a wait that failed.
func TestARequestThatIsRefusedEndsItsWait(t *testing.T) {
	a, c, tracer := traced(t, func(config *ingestion.Config) {
		config.Deadline, config.Commit.WriteTimeout = 50*time.Millisecond, 100*time.Millisecond
	})
	a.store.set(nil, time.Minute)
	if got := a.send(t, "POST", single, noID, map[string]string{"Traceparent": parent}); got.status != 503 {
		t.Fatalf("the answer is %d", got.status)
	}
	tracer.Close(t.Context())
	spans := c.Spans(traceID)
	served := find(spans, "POST "+single)
	if len(served) != 1 || served[0].Attribute("error.type") != "503" || len(find(spans, "wait for a writer")) != 1 {
		t.Errorf("the spans are %v", spans)
	}
}
