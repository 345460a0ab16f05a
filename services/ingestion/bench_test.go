package ingestion_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// void is a Store that keeps nothing.
type void struct{}

func (void) Write(_ context.Context, records []ingestion.Record) ([]ingestion.Outcome, error) {
	return make([]ingestion.Outcome, len(records)), nil
}

func (void) Ping(context.Context) error { return nil }

// nobody is a ResponseWriter that keeps nothing.
type nobody struct{ header http.Header }

func (d nobody) Header() http.Header         { return d.header }
func (d nobody) Write(b []byte) (int, error) { return len(b), nil }
func (d nobody) WriteHeader(int)             {}

// BenchmarkServe is the way of one event through the service, without net/http and
// the database: what tracing costs of it.
func BenchmarkServe(b *testing.B) {
	for name, bench := range map[string]struct{ endpoint, parent string }{
		"off":       {"", parent},
		"unsampled": {"http://127.0.0.1:9", strings.TrimSuffix(parent, "1") + "0"},
		"sampled":   {"http://127.0.0.1:9", parent},
	} {
		b.Run("tracing="+name, func(b *testing.B) {
			b.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", bench.endpoint)
			b.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "1000000")
			server, err := ingestion.New(ingestion.Config{Store: void{}, Tracer: tracerOf(b)})
			if err != nil {
				b.Fatal(err)
			}
			defer server.Close(context.WithoutCancel(b.Context()))
			body := strings.NewReader("")
			r := httptest.NewRequest(http.MethodPost, eventapi.EventsPath, nil)
			r.Header.Set("Content-Type", eventapi.JSON)
			r.Header.Set("Traceparent", bench.parent)
			r.Header.Set(eventapi.RequestIDHeader, "1")
			text := fmt.Sprintf(`{"playerId":"p1","eventType":"login","timestamp":%q,"metadata":{"level":7}}`, time.Now().UTC().Format(time.RFC3339))
			w := nobody{http.Header{}}
			handler := server.Handler()
			b.ReportAllocs()
			for b.Loop() {
				body.Reset(text)
				r.Body = io.NopCloser(body)
				handler.ServeHTTP(w, r)
			}
		})
	}
}
