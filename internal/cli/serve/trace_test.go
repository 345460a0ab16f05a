package serve_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/cli/serve/ingestion"
	"github.com/gamemetrics/gmctl/internal/cli/serve/relay"
	platform "github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/testenv/collector"
	"github.com/gamemetrics/gmctl/internal/testenv/kafka"
	"github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/testenv/serve"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

var pg = postgres.Shared{Options: postgres.Options{Unsafe: true}}

func TestMain(m *testing.M) { os.Exit(pg.Main(m)) }

// A trace goes from the client through API, PostgreSQL and relay to who consumes the
// record, each step the child of the one before it.
func TestATraceFollowsAnEvent(t *testing.T) {
	const (
		traceID, clientSpan = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
		unsampled           = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	)
	c := collector.Start(t)
	brokers := kafka.Run(t, kafka.Options{Optimize: true}).Config()
	makeTopics(t, brokers)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv("GMCTL_DATABASE_URL", pg.Database(t))
	t.Setenv("GMCTL_KAFKA_BROKERS", strings.Join(brokers.Brokers, ","))
	api := serve.Command(ingestion.NewCommand).Start(t, "--migrate")
	serve.Eventually(t, "ingestion is ready", func() bool { return api.Ready(t) })
	publisher := serve.Command(relay.NewCommand).Start(t)

	post(t, api, "sampled", "00-"+traceID+"-"+clientSpan+"-01")
	post(t, api, "unsampled", unsampled)
	records := consume(t, brokers, 2)
	for _, s := range []*serve.Service{api, publisher} { // what ends exports what it has
		if err := s.Stop(t); err != nil {
			t.Errorf("a service ended with %v", err)
		}
	}

	one := func(name, service string) collector.Span {
		t.Helper()
		var found []collector.Span
		for _, span := range c.Spans(traceID) {
			if span.Name == name {
				found = append(found, span)
			}
		}
		if len(found) != 1 || found[0].Service != service {
			t.Fatalf("the trace has %d spans %q, want one of %s: %v", len(found), name, service, c.Spans(traceID))
		}
		return found[0]
	}
	server, wait, commit := one("POST "+eventapi.EventsPath, "ingestion"), one("wait for a writer", "ingestion"), one("group commit", "ingestion")
	statement := one("COPY events", "ingestion")
	create, send := one("create "+topics.EventsRaw, "relay"), one("send "+topics.EventsRaw, "relay")
	for _, step := range []struct {
		child  collector.Span
		parent string
	}{{server, clientSpan}, {wait, server.ID()}, {commit, wait.ID()}, {statement, commit.ID()}, {create, server.ID()}, {send, create.ID()}} {
		if step.child.Parent() != step.parent {
			t.Errorf("%q is the child of %s, want %s", step.child.Name, step.child.Parent(), step.parent)
		}
	}
	if !send.LinksTo(create) || !commit.LinksTo(wait) {
		t.Error("the spans that many may share have no links to this event")
	}
	if got, want := trace(records["sampled"]), "00-"+traceID+"-"+create.ID()+"-01"; got != want {
		t.Errorf("the record of the sampled event carries %q, want %q", got, want)
	}
	if got := trace(records["unsampled"]); got != unsampled {
		t.Errorf("the record of the event that is not sampled carries %q, want %q", got, unsampled)
	}
	for _, span := range c.Spans("") {
		if got := hex.EncodeToString(span.TraceId); got != traceID {
			t.Errorf("the span %q of trace %s was exported", span.Name, got)
		}
	}
}

func post(t *testing.T, api *serve.Service, player, parent string) {
	t.Helper()
	body := fmt.Sprintf(`{"playerId":%q,"eventType":"login","timestamp":%q}`, player, time.Now().Format(time.RFC3339Nano))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+api.Address+eventapi.EventsPath, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", eventapi.JSON)
	r.Header.Set("Traceparent", parent)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		t.Fatalf("the event was answered %s", response.Status)
	}
}

func makeTopics(t *testing.T, cfg platform.Config) {
	t.Helper()
	client, err := platform.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := platform.EnsureTopics(t.Context(), client, topics.All(), 1); err != nil {
		t.Fatal(err)
	}
}

// consume returns n published records by player.
func consume(t *testing.T, cfg platform.Config, n int) map[string]*kgo.Record {
	t.Helper()
	client, err := platform.NewClient(cfg, kgo.ConsumeTopics(topics.EventsRaw), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	records := map[string]*kgo.Record{}
	serve.Eventually(t, "the events are published", func() bool {
		fetches := client.PollFetches(t.Context())
		fetches.EachRecord(func(r *kgo.Record) { records[string(r.Key)] = r })
		return len(records) == n
	})
	return records
}

// trace is the trace context that a record carries.
func trace(r *kgo.Record) string {
	for _, header := range r.Headers {
		if header.Key == topics.TraceHeader {
			return string(header.Value)
		}
	}
	return ""
}
