package ingestion

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gamemetrics/gmctl/internal/schemas"
	"github.com/gamemetrics/gmctl/internal/tracing"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion/keyring"
)

// Config is what a Server is made from. Store is required; any other zero
// field means its default.
type Config struct {
	Store     Store
	StoreName string        // how GET /ready calls the store; postgres
	Rules     event.Rules   // event.DefaultRules
	Commit    CommitOptions // how requests share writes

	Keys       keyring.Source // where API keys are looked up; nil: there are none
	RequireKey bool           // a request without a valid API key is turned away

	Reader Reader // where stored events are read; nil: the API does not read
	// OpenHere lets requests read without a key that come from this machine and call
	// it by a name of loopback. With a proxy on this machine that is everybody.
	OpenHere bool

	Limits Limits // how many events a second are taken; none
	// Origins are those of the web pages that may use the API, beside those that
	// keys name; * for all.
	Origins        []string
	SelfNetworks   []netip.Prefix // from where events are the studio's own traffic
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed

	MaxBody       int64         // bytes of one event's body, after decompression; 64 KiB
	MaxBatchBody  int64         // bytes of a batch's body, after decompression; 1 MiB
	MaxBatch      int           // events in a batch; 1,000
	MaxBodies     int64         // bytes of all bodies on their way, beside those up to 4 KiB; 64 MiB, or 8 of the largest
	Deadline      time.Duration // of storing, letters and all, after which a request is answered 503; 5 s
	ShutdownGrace time.Duration // for requests in flight when Run is told to stop; 15 s

	// Backlog tells what is stored and not yet published; nil: that is not known.
	// From BacklogQuota bytes on, events are refused; 0: never.
	Backlog      Relayed
	BacklogQuota int64

	Schemas    Schemas      // what metadata is held to; nil: nothing
	SchemaMode schemas.Mode // how strictly, at most; strict: as each schema says
	Letters    Letters      // where rejected events are kept; nil: nowhere
	// DeadLetters keeps rejected events of requests without an API key; a key says it
	// for its own.
	DeadLetters bool

	Tracer *tracing.Tracer // makes spans of the requests that are sampled; nil: none

	// AdminApart has metrics served by RunAdmin alone.
	AdminApart bool
	// Dependencies are checked by GET /ready after the store.
	Dependencies []Dependency
	// Registry takes the metrics and serves GET /metrics; a new one with those
	// of the Go runtime and the process.
	Registry *prometheus.Registry
	Log      *slog.Logger     // slog.DiscardHandler
	Now      func() time.Time // time.Now
}

// CallsAtOnce is how many calls of Reader, Letters, Keys, Backlog and the Store's Ping the
// service makes at the same time at most, in all: beside those of the writers.
const CallsAtOnce = readsAtOnce + lettersAtOnce + keyring.CallsAtOnce + backlogsAtOnce + pingsAtOnce

// Dependency is something besides the store without which the service is not ready.
type Dependency struct {
	Name string
	Ping func(ctx context.Context) error // its error is shown to readers of GET /ready
}

func (c Config) withDefaults() Config {
	c.StoreName = orDefault(c.StoreName, "postgres")
	c.Rules = orDefault(c.Rules, event.DefaultRules())
	c.MaxBody = orDefault(c.MaxBody, eventapi.MaxBody)
	c.MaxBatchBody = orDefault(c.MaxBatchBody, eventapi.MaxBatchBody)
	c.MaxBatch = orDefault(c.MaxBatch, eventapi.MaxBatch)
	c.MaxBodies = orDefault(c.MaxBodies, max(64<<20, 8*max(c.MaxBody, c.MaxBatchBody)))
	c.Deadline = orDefault(c.Deadline, 5*time.Second)
	c.ShutdownGrace = orDefault(c.ShutdownGrace, 15*time.Second)
	c.SchemaMode = orDefault(c.SchemaMode, schemas.Strict)
	c.Log = orDefault(c.Log, slog.New(slog.DiscardHandler))
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}
