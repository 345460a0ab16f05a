package tracing_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/testenv/collector"
	"github.com/gamemetrics/gmctl/internal/tracing"
)

const (
	traceID  = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentID = "00f067aa0ba902b7"
	parent   = "00-" + traceID + "-" + parentID + "-01"
	route    = "/api/v1/events"
)

// service is a traced service with metrics and a log.
type service struct {
	*tracing.Tracer
	registry *prometheus.Registry
	log      *lockedBuffer
}

// start makes a tracer of the environment, to which it adds what the test gives. It
// exports at once, gives an export up soon, and has place for few spans.
func start(t *testing.T, endpoint string, variables ...string) *service {
	t.Helper()
	for _, variable := range append([]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint, "OTEL_BSP_SCHEDULE_DELAY=5", "OTEL_BSP_EXPORT_TIMEOUT=50", "OTEL_BSP_MAX_QUEUE_SIZE=64",
	}, variables...) {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	s := &service{registry: prometheus.NewRegistry(), log: &lockedBuffer{}}
	var err error
	if s.Tracer, err = tracing.New(t.Context(), "test", slog.New(slog.NewTextHandler(s.log, nil))); err != nil {
		t.Fatal(err)
	}
	s.Register(s.registry)
	t.Cleanup(func() { s.Close(context.WithoutCancel(t.Context())) })
	return s
}

// request serves one request, and reports whether it was recorded.
func (s *service) request(status int, parent string, header ...string) bool {
	r := httptest.NewRequest(http.MethodPost, "http://game.example:8080"+route+"?key=secret", nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	_, span := s.Serve(r, route, parent, "request-1")
	tracing.EndServed(span, status)
	return span != nil
}

// metric is the sum of a metric over its labels.
func (s *service) metric(t *testing.T, name string) (sum float64) {
	t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, sample := range family.Metric {
			if family.GetName() == name {
				sum += sample.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain until " + what)
		}
	}
}

func TestARequestContinuesItsTrace(t *testing.T) {
	c := collector.Start(t)
	s := start(t, c.URL, "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20abc", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test", "OTEL_SERVICE_NAME=mine")
	if !s.request(201, parent, "Tracestate", "vendor=x", "Tracestate", "other=y") {
		t.Fatal("a sampled request is not recorded")
	}
	await(t, "the span is there", func() bool { return len(c.Spans(traceID)) == 1 })
	span := c.Spans(traceID)[0]
	if span.Parent() != parentID || span.TraceState != "vendor=x,other=y" || span.Name != "POST /api/v1/events" || span.Service != "mine" {
		t.Errorf("the span of the request is %v", span)
	}
	for key, want := range map[string]string{
		"http.request.method": "POST", "http.route": route, "url.path": route, "url.scheme": "http", "http.response.status_code": "201",
		"server.address": "game.example", "server.port": "8080", "network.protocol.version": "1.1", "error.type": "",
	} {
		if got := span.Attribute(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if strings.Contains(span.String(), "secret") {
		t.Error("the span holds the API key of the query")
	}
	if got := c.Header("Authorization"); got != "Bearer abc" {
		t.Errorf("the collector is asked with Authorization %q", got)
	}
	s.Close(t.Context())
	if exported := s.metric(t, "gmctl_tracing_spans_exported_total"); exported != 1 {
		t.Errorf("%v spans are counted as exported", exported)
	}
}

func TestAFaultOfTheServerIsAnError(t *testing.T) {
	c := collector.Start(t)
	s := start(t, c.URL)
	s.request(400, "")
	s.request(503, "")
	s.Close(t.Context())
	for _, span := range c.Spans("") {
		status := span.Attribute("http.response.status_code")
		if failed := span.Status.Code.String() == "STATUS_CODE_ERROR"; failed != (status == "503") || (span.Attribute("error.type") == "503") != failed {
			t.Errorf("the span of a request answered %s has the status %v", status, span.Status)
		}
	}
	if n := len(c.Spans("")); n != 2 {
		t.Errorf("%d spans were exported, want 2", n)
	}
}

func TestSampling(t *testing.T) {
	unsampled := strings.TrimSuffix(parent, "01") + "00"
	c := collector.Start(t)
	for _, test := range []struct {
		sampler, argument              string
		sampled, unsampled, parentless bool
	}{
		{"", "", true, false, true},
		{"parentbased_always_on", "", true, false, true},
		{"parentbased_always_off", "", true, false, false},
		{"parentbased_traceidratio", "0", true, false, false},
		{"parentbased_traceidratio", "", true, false, true},
		{"always_on", "", true, true, true},
		{"always_off", "", false, false, false},
		{"traceidratio", "0", false, false, false},
		{"traceidratio", "1", true, true, true},
	} {
		t.Run(test.sampler+test.argument, func(t *testing.T) {
			s := start(t, c.URL, "OTEL_TRACES_SAMPLER="+test.sampler, "OTEL_TRACES_SAMPLER_ARG="+test.argument)
			for from, want := range map[string]bool{parent: test.sampled, unsampled: test.unsampled, "": test.parentless} {
				if got := s.request(201, from); got != want {
					t.Errorf("a request with the traceparent %q is recorded: %v", from, got)
				}
			}
		})
	}
}

func TestWithoutAnEndpointThereIsNoTracer(t *testing.T) {
	for _, variables := range []map[string]string{
		{},
		{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"},
	} {
		for name, value := range variables {
			t.Setenv(name, value)
		}
		if tracer, err := tracing.New(t.Context(), "test", slog.New(slog.DiscardHandler)); tracer != nil || err != nil {
			t.Errorf("%v makes the tracer %v, %v", variables, tracer, err)
		}
	}
	var none *tracing.Tracer
	none.Register(prometheus.NewRegistry())
	none.Publish("topic").End(1, nil)
	none.Close(t.Context())
	if got := none.Publish("topic").Create(parent, uuid.Nil); got != parent {
		t.Errorf("without a tracer the traceparent %s becomes %s", parent, got)
	}
}

func TestWhatCannotBeHeededIsRefused(t *testing.T) {
	for _, variable := range []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318", "OTEL_EXPORTER_OTLP_ENDPOINT=grpc://localhost:4317", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
		"OTEL_TRACES_SAMPLER=jaeger_remote", "OTEL_TRACES_EXPORTER=console",
	} {
		t.Run(variable, func(t *testing.T) {
			name, value, _ := strings.Cut(variable, "=")
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
			t.Setenv(name, value)
			_, err := tracing.New(t.Context(), "test", slog.New(slog.DiscardHandler))
			p, ok := errors.AsType[*problem.Error](err)
			if !ok || p.Kind != problem.Usage || p.Next == "" || !strings.Contains(p.What, strings.Split(name, "_ENDPOINT")[0]) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// A collector that is away, hangs or fails: what is traced goes on, what cannot be
// kept is counted, and the log says it once.
func TestTheCollectorFails(t *testing.T) {
	const spans = 1000
	away := func(t *testing.T) string {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		return "http://" + listener.Addr().String()
	}
	for name, endpoint := range map[string]func(t *testing.T) string{
		"away":  away,
		"hangs": func(t *testing.T) string { c := collector.Start(t); c.Hang(); return c.URL },
		"503":   func(t *testing.T) string { c := collector.Start(t); c.Answer(503); return c.URL },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, endpoint(t))
			recorded := 0
			for range spans {
				if s.request(201, parent) {
					recorded++
				}
			}
			await(t, "the log tells", func() bool { return strings.Contains(s.log.String(), "traces cannot be exported") })
			s.request(201, parent)
			s.Close(t.Context()) // a collector that hangs does so until the test is over
			if exported := s.metric(t, "gmctl_tracing_spans_exported_total"); exported != 0 {
				t.Errorf("%v spans are counted as exported", exported)
			}
			dropped := s.metric(t, "gmctl_tracing_spans_dropped_total")
			await(t, "all spans are counted", func() bool { dropped = s.metric(t, "gmctl_tracing_spans_dropped_total"); return dropped == spans+1 })
			if recorded == spans {
				t.Errorf("all of %d spans were recorded, with place for 64", spans)
			}
			if told := strings.Count(s.log.String(), "traces cannot be exported"); told != 1 {
				t.Errorf("the log tells it %d times:\n%s", told, s.log)
			}
		})
	}
}

func TestTheCollectorComesBack(t *testing.T) {
	c := collector.Start(t)
	c.Answer(http.StatusServiceUnavailable)
	s := start(t, c.URL)
	s.request(201, parent)
	await(t, "the log tells", func() bool { return strings.Contains(s.log.String(), "traces cannot be exported") })
	c.Answer(http.StatusOK)
	await(t, "spans are exported", func() bool {
		s.request(201, parent)
		return len(c.Spans("")) > 0
	})
	s.Close(t.Context())
	if !strings.Contains(s.log.String(), "traces can be exported again") {
		t.Errorf("the log does not tell it:\n%s", s.log)
	}
}

// A span that many share has links to some of them, and is in the trace of the first.
func TestASharedSpanHasBoundedLinks(t *testing.T) {
	c := collector.Start(t)
	s := start(t, c.URL, "OTEL_BSP_MAX_QUEUE_SIZE=2048", "OTEL_BSP_EXPORT_TIMEOUT=20000")
	p := s.Publish("player.events.raw")
	for i := range 300 {
		from := fmt.Sprintf("00-%032x-%s-01", i+1, parentID)
		if to := p.Create(from, uuid.New()); to == from || to[:36] != from[:36] {
			t.Fatalf("the event of trace %s goes on as %s", from, to)
		}
	}
	p.End(5000, errors.New("no broker"))
	s.Close(t.Context())
	sent := 0
	for _, span := range c.Spans("") {
		if span.Status.Code.String() != "STATUS_CODE_ERROR" {
			t.Errorf("the span %s of a publication that failed has the status %v", span.Name, span.Status)
		}
		if span.Name != "send player.events.raw" {
			continue
		}
		sent++
		if len(span.Links) != 128 || span.TraceId[15] != 1 || span.Attribute("messaging.batch.message_count") != "5000" {
			t.Errorf("the transaction has %d links, in trace %x", len(span.Links), span.TraceId)
		}
	}
	if sent != 1 || len(c.Spans("")) != 301 {
		t.Errorf("%d spans, %d of the transaction", len(c.Spans("")), sent)
	}
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}
