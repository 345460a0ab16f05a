package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gamemetrics/gmctl/internal/cli/serve/service"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/profiles"
	"github.com/gamemetrics/gmctl/internal/tracing"
	"github.com/gamemetrics/gmctl/services/relay"
)

// memoryAtEase is up to how many MiB the relay spares CPU: one that catches up holds
// two batches, each with its events, its records and what is sent of them.
const memoryAtEase = 80

// serve runs the relay and answers about it until ctx ends or the relay does.
func (o *Options) serve(ctx context.Context, log *slog.Logger) error {
	service.CollectSeldom(memoryAtEase)
	brokers, err := o.Kafka(ctx)
	if err != nil {
		return err
	}
	tracer, err := tracing.New(ctx, "relay", log)
	if err != nil {
		return err
	}
	defer tracer.Close(context.WithoutCancel(ctx))
	database := postgres.Config{DSN: o.DatabaseURL, Application: "gmctl-relay"}
	source, err := postgres.NewSource(ctx, sharing(database))
	if err != nil {
		return err
	}
	defer source.Close()
	registry := prometheus.NewRegistry()
	tracer.Register(registry)
	service := o.publisher(source, relay.Config{
		Kafka: brokers, Lease: o.Lease, Batch: o.Batch, MaxPoll: o.MaxPoll, Log: log, Registry: registry, Tracer: tracer,
	})
	registry.MustRegister(lagOf(service, "gmctl_relay_lag", "Events stored", log))
	outbox, closeOutbox, err := besides(ctx, database, brokers, o.Lease, log)
	if err != nil {
		return err
	}
	defer closeOutbox()
	registry.MustRegister(lagOf(outbox, "gmctl_relay_outbox_lag", "Records of the outbox", log))
	registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "gmctl_relay_outbox_records_total", Help: "Records of the outbox (rejected events, erasures) committed to Kafka.",
	}, func() float64 { return float64(outbox.Status().Published) }))

	listener, err := o.Listener(ctx)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler(service, outbox, registry), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends with the error of Shutdown or Close
	}()
	log.Info("relay started", "address", listener.Addr().String(), "lane", o.Lane, "brokers", brokers.Brokers)

	err = o.publish(ctx, service, outbox)
	if errors.Is(err, relay.ErrHistory) && o.Adopt != "" {
		log.Warn("the database is adopted as it is", "because", err, "publishes", o.Adopt)
		if err = o.adopt(ctx, database, errors.Is(err, relay.ErrCursorLost)); err == nil {
			err = o.publish(ctx, service, outbox)
		}
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if server.Shutdown(closing) != nil {
		_ = server.Close() // a client that keeps its request open must not keep us
	}
	<-served
	log.Info("relay stopped", "published", service.Status().Published)
	return err
}

// publisher is a relay of one lane, or of all that share the events.
type publisher interface {
	relay.Main
	measured
	Status() relay.Status
}

// publisher returns all lanes of the newest layout, or the one of another name, which
// has all events.
func (o *Options) publisher(source *postgres.Source, cfg relay.Config) publisher {
	if o.Lane == relay.DefaultLane {
		cfg.Share = o.Lanes
		return relay.NewGroup(source, cfg)
	}
	cfg.Source, cfg.Lanes, cfg.Lane = source, source, o.Lane
	return relay.New(cfg)
}

// connections are what all lanes of a process share. One lane uses three of them.
const connections = 8

func sharing(database postgres.Config) postgres.Config {
	database.MaxConns = connections
	return database
}

// besides is the relay of the outbox, which works beside that of the events.
func besides(ctx context.Context, database postgres.Config, brokers kafka.Config, lease time.Duration, log *slog.Logger) (outbox *relay.Relay, end func(), err error) {
	source, err := postgres.NewOutbox(ctx, database)
	if err != nil {
		return nil, nil, err
	}
	return relay.New(relay.Config{
		Source: source, Kafka: brokers, Topics: postgres.OutboxTopics(), Lane: postgres.OutboxLane, Lanes: source, Lease: lease, Log: log,
	}), source.Close, nil
}

// publish runs the relay, and that of the outbox beside the main one.
func (o *Options) publish(ctx context.Context, service publisher, outbox *relay.Relay) error {
	if o.Lane != relay.DefaultLane {
		return service.Run(ctx)
	}
	return relay.RunBoth(ctx, service, outbox)
}

// adopt does what --adopt says. Where only the cursor is lost, the database is
// sound, and needs no new identity.
func (o *Options) adopt(ctx context.Context, cfg postgres.Config, cursorLost bool) error {
	pool, err := postgres.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer pool.Close()
	if cursorLost {
		return postgres.AdoptLane(ctx, pool, o.Lane, o.Lease, postgres.Adoption(o.Adopt))
	}
	return postgres.Adopt(ctx, pool, postgres.Adoption(o.Adopt))
}

func handler(service publisher, outbox *relay.Relay, registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		status := service.Status()
		switch status.State {
		case relay.Running:
			fmt.Fprintln(w, "active: publishing, at", status.Cursor)
			tell(w, "", status.Held)
			tell(w, "outbox: ", outbox.Status().Problem)
			tellLanes(w, service)
			return
		case relay.Waiting:
			fmt.Fprintln(w, "waiting: the lanes have changed, and", status.Active, "of the layout before has yet to finish")
			tell(w, "outbox: ", outbox.Status().Problem)
			tellLanes(w, service)
			return
		case relay.Standby:
			fmt.Fprintln(w, "standby: active is", cmp.Or(status.Active, "another relay"))
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, status.State)
		tell(w, "", status.Problem)
		tellLanes(w, service)
	})
	profiles.Handle(mux)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux
}

// tell writes what is wrong with something; nil: nothing is.
func tell(w io.Writer, what string, p *problem.Error) {
	if p == nil {
		return
	}
	fmt.Fprintf(w, "%s%s\n", what, p)
	if p.Next != "" {
		fmt.Fprintln(w, "next:", p.Next)
	}
}

// tellLanes writes a line for each lane, where there are several.
func tellLanes(w io.Writer, service publisher) {
	group, ok := service.(*relay.Group)
	if !ok {
		return
	}
	lanes := group.Lanes()
	for _, l := range lanes {
		switch {
		case len(lanes) == 1:
		case l.State == relay.Running:
			fmt.Fprintf(w, "lane %s: publishing, at %s\n", l.Lane, l.Cursor)
		case l.Problem != nil:
			fmt.Fprintf(w, "lane %s: %s: %s\n", l.Lane, l.State, l.Problem)
		default:
			fmt.Fprintf(w, "lane %s: %s\n", l.Lane, l.State)
		}
	}
}

// measured is what has a lag.
type measured interface {
	Lag(ctx context.Context) (relay.Lag, error)
}

// lagCollector asks for the lag of a relay when it is scraped.
type lagCollector struct {
	relay                 measured
	events, seconds, held *prometheus.Desc
	log                   *slog.Logger
}

// lagOf returns the collector of three metrics, NAME_events, NAME_seconds and NAME_held.
func lagOf(r measured, name, what string, log *slog.Logger) lagCollector {
	return lagCollector{
		relay:   r,
		events:  prometheus.NewDesc(name+"_events", fmt.Sprintf("%s and not yet published; from %d on an estimate.", what, relay.LagCounted), nil, nil),
		seconds: prometheus.NewDesc(name+"_seconds", "Age of the first of them.", nil, nil),
		held:    prometheus.NewDesc(name+"_held", "1 while a transaction that is still open holds it back, else 0.", nil, nil),
		log:     log,
	}
}

// scrapeTimeout bounds how long a scrape waits for PostgreSQL.
const scrapeTimeout = 2 * time.Second

// Describe implements prometheus.Collector.
func (c lagCollector) Describe(to chan<- *prometheus.Desc) {
	to <- c.events
	to <- c.seconds
	to <- c.held
}

// Collect implements prometheus.Collector. Where the lag cannot be learned there
// is no sample, rather than a wrong one.
func (c lagCollector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	lag, err := c.relay.Lag(ctx)
	if err != nil {
		c.log.Debug("the lag could not be measured", "error", err)
		return
	}
	to <- prometheus.MustNewConstMetric(c.events, prometheus.GaugeValue, float64(lag.Events))
	to <- prometheus.MustNewConstMetric(c.seconds, prometheus.GaugeValue, lag.Age.Seconds())
	held := 0.0
	if lag.Blocker != "" {
		held = 1
	}
	to <- prometheus.MustNewConstMetric(c.held, prometheus.GaugeValue, held)
}
