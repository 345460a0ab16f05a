package ingestion

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gamemetrics/gmctl/internal/schemas"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// metrics is what the service measures of itself. docs/events-api.md lists
// the names.
type metrics struct {
	registry *prometheus.Registry
	handler  http.Handler

	requests *prometheus.CounterVec   // route, status
	seconds  *prometheus.HistogramVec // route
	inFlight prometheus.Gauge
	events   *prometheus.CounterVec // result
	rejected *prometheus.CounterVec // reason
	letters  prometheus.Counter
	breaches *prometheus.CounterVec // type, mode
	group    prometheus.Histogram
	writes   *prometheus.HistogramVec // result
}

// NewRegistry returns a registry with the metrics of the process.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// newMetrics registers the metrics with the registry, or with a new one that
// has those of the process too.
func newMetrics(registry *prometheus.Registry) (*metrics, error) {
	if registry == nil {
		registry = NewRegistry()
	}
	const namespace, subsystem = "gamemetrics", "ingestion"
	latencies := []float64{.0005, .001, .002, .003, .005, .0075, .01, .015, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	m := &metrics{
		registry: registry,
		handler:  promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "http_requests_total",
			Help: "HTTP requests answered, by route and status.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "http_request_seconds",
			Help: "Time from a request's header to its answer, by route.", Buckets: latencies,
		}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "http_requests_in_flight",
			Help: "HTTP requests being answered now.",
		}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "events_total",
			Help: "Events accepted, by result: stored, or duplicate of one stored before.",
		}, []string{"result"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "events_rejected_total",
			Help: "Events rejected, by the code of their first invalid field, as a conflict with what is stored, or as too many of their player.",
		}, []string{"reason"}),
		letters: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "dead_letters_total",
			Help: "Rejected events kept for the dead-letter topic.",
		}),
		breaches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "schema_breaches_total",
			Help: "Events whose metadata breaks the schema of their type, by type and mode: report (stored) or strict (rejected).",
		}, []string{"type", "mode"}),
		group: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "group_events",
			Help: "Events that shared one write to the store.", Buckets: prometheus.ExponentialBuckets(1, 2, 12),
		}),
		writes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "write_seconds",
			Help: "Time of one write to the store, by result: ok, unstorable or failed.", Buckets: latencies,
		}, []string{"result"}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.inFlight, m.events, m.rejected, m.letters, m.breaches, m.group, m.writes} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// holds adds what waits in memory.
func (m *metrics) holds(queue *Committer, bodies *bodies) {
	for name, figure := range map[string]struct {
		help string
		of   func() float64
	}{
		"queued_events": {"Events that wait for a writer now.", func() float64 { return float64(queue.Queued()) }},
		"queued_bytes":  {"Bytes of the events that wait for a writer, or are being written.", func() float64 { return float64(queue.Bytes()) }},
		"body_bytes":    {"Bytes that the bodies of requests on their way hold, beside small ones.", func() float64 { return float64(bodies.total()) }},
	} {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "gamemetrics", Subsystem: "ingestion", Name: name, Help: figure.help,
		}, figure.of))
	}
}

func (m *metrics) served(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

func (m *metrics) settle(outcome Outcome) {
	switch {
	case outcome.conflicts():
		m.rejected.WithLabelValues(string(eventapi.Conflict)).Inc()
	case outcome == Duplicate:
		m.events.WithLabelValues("duplicate").Inc()
	default:
		m.events.WithLabelValues("stored").Inc()
	}
}

func (m *metrics) limited() { m.rejected.WithLabelValues(string(eventapi.RateLimited)).Inc() }

func (m *metrics) reject(invalid *event.Invalid) {
	m.rejected.WithLabelValues(string(invalid.Fields[0].Code)).Inc()
}

// breach counts an event that breaks its schema. Only types that have one get here.
func (m *metrics) breach(eventType string, mode schemas.Mode) {
	m.breaches.WithLabelValues(eventType, string(mode)).Inc()
}
