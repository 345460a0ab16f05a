package ingestion

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/ratelimit"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion/keyring"
)

// Limits of a connection. They are far above what a client on a bad network
// needs, and end those that hold connections for nothing.
const (
	headerTimeout  = 5 * time.Second
	bodyTimeout    = 20 * time.Second // header and body together
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 16 << 10
)

// Server is the ingestion service.
type Server struct {
	config    Config
	decoder   *event.Decoder
	writer    *watchedWriter
	committer *Committer
	metrics   *metrics
	backlog   *backlogGauge
	routes    map[string]route
	named     map[string]route // by pattern: of paths that name what they are about
	bodies    bodies
	unpackers unpackers
	keys      *keyring.Ring // nil: there are no API keys
	limiter   limiter
	traffic   *traffic
	keepers   sync.WaitGroup
	stopKeys  context.CancelFunc
	stopping  atomic.Bool
	lettering chan struct{} // has a place for each request that may keep letters now
	reading   chan struct{} // has a place for each request that may read now
	pinging   singleflight.Group
}

// New returns a server whose writers run. Run it once, or Close it.
func New(config Config) (*Server, error) {
	if config.Store == nil {
		return nil, errors.New("ingestion needs a store")
	}
	if config.RequireKey && config.Keys == nil {
		return nil, errors.New("ingestion that requires API keys needs to know where they are")
	}
	s := &Server{config: config.withDefaults(), lettering: make(chan struct{}, lettersAtOnce), reading: make(chan struct{}, readsAtOnce)}
	s.decoder = event.NewDecoder(s.config.Rules)
	s.bodies.most, s.unpackers.atOnce = s.config.MaxBodies, make(chan struct{}, unpackersAtOnce)
	var err error
	if s.metrics, err = newMetrics(s.config.Registry); err != nil {
		return nil, err
	}
	s.config.Tracer.Register(s.metrics.registry)
	s.backlog = &backlogGauge{source: s.config.Backlog, quota: s.config.BacklogQuota, log: s.config.Log}
	if err := s.backlog.measured(s.metrics.registry); err != nil {
		return nil, err
	}
	s.backlog.watch(backlogEvery)
	s.writer = &watchedWriter{Writer: s.config.Store, metrics: s.metrics, log: s.config.Log}
	s.config.Commit.Tracer = s.config.Tracer
	s.committer = NewCommitter(s.writer, s.config.Commit)
	s.metrics.holds(s.committer, &s.bodies)
	s.limiter = limiter{s.config.Limits, ratelimit.New(maxBuckets), s.metrics, s.config.Now}
	s.traffic = newTraffic(s.config.SelfNetworks, s.config.TrustedProxies)
	keeping, stop := context.WithCancel(context.Background())
	s.stopKeys = stop
	if s.config.Keys != nil {
		s.keys = keyring.New(s.config.Keys, s.config.Now, s.config.Log)
		s.keepers.Go(func() { s.keys.Run(keeping) })
	}
	s.routes = map[string]route{
		eventapi.EventsPath:  {http.MethodPost: s.postEvent},
		eventapi.BatchPath:   {http.MethodPost: s.postBatch},
		eventapi.HealthPath:  {http.MethodGet: s.getHealth},
		eventapi.ReadyPath:   {http.MethodGet: s.getReady},
		eventapi.MetricsPath: {http.MethodGet: s.metrics.handler.ServeHTTP},
		eventapi.OpenAPIPath: {http.MethodGet: s.getOpenAPI},
	}
	if s.config.AdminApart {
		delete(s.routes, eventapi.MetricsPath)
	}
	if s.config.Reader != nil {
		s.named = map[string]route{
			eventapi.EventPath:        {http.MethodGet: s.getEvent},
			eventapi.PlayerEventsPath: {http.MethodGet: s.getPlayerEvents},
		}
	}
	return s, nil
}

// Handler returns the whole API.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Trouble returns why the last events could not be stored, though the store may
// answer: its disk is full, say. It is nil when they could be, and when none have
// come for a while.
func (s *Server) Trouble() error { return s.writer.trouble() }

// Refusing returns why events are refused that the store would take: the quota for what
// is not published is used up. It is nil when they are taken.
func (s *Server) Refusing() error { return s.backlog.err() }

// Close ends the writers when what waits is written, or when ctx ends. Run does
// it too.
func (s *Server) Close(ctx context.Context) {
	s.committer.Close(ctx)
	s.stopKeys()
	s.keepers.Wait()
	s.backlog.close()
}

// Run serves on the listener until ctx ends. It then stops accepting, answers
// the requests in flight within the shutdown grace, and returns nil. It closes
// the listener.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      bodyTimeout + s.config.Deadline + 5*time.Second,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.config.Log.Handler(), slog.LevelDebug),
	}
	var failed error // read when served is closed
	served := make(chan struct{})
	go func() {
		defer close(served)
		failed = server.Serve(listener)
	}()
	s.config.Log.Info("ingestion serves", "address", listener.Addr().String())

	select {
	case <-ctx.Done():
	case <-served:
	}
	s.stopping.Store(true)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.ShutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		s.config.Log.Warn("requests were still in flight when the shutdown grace ended", "grace", s.config.ShutdownGrace.String())
		_ = server.Close()
	}
	s.Close(grace)
	<-served
	if !errors.Is(failed, http.ErrServerClosed) {
		return &problem.Error{What: "ingestion stopped serving on " + listener.Addr().String(), Cause: failed}
	}
	s.config.Log.Info("ingestion stopped")
	return nil
}
