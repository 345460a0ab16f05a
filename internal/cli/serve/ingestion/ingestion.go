// Package ingestion is `gmctl serve ingestion`: the ingestion service as a
// process of its own.
package ingestion

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/duration"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/flagenv"
	"github.com/gamemetrics/gmctl/internal/cli/serve/service"
	"github.com/gamemetrics/gmctl/internal/schemas"
	"github.com/gamemetrics/gmctl/internal/tracing"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// Options are what the command is given.
type Options struct {
	service.Options

	Admin         string // host:port; empty: none
	TLSCert       string // file; empty: plain HTTP
	TLSKey        string // file
	Migrate       bool
	RequireKey    bool
	Limits        ingestion.Limits
	Origins       []string
	SelfNetworks  []string
	Proxies       []string
	MaxAge        time.Duration
	MaxAhead      time.Duration
	MaxMetadata   int
	MaxBody       int64
	MaxBatchBody  int64
	MaxBatch      int
	Writers       int
	MaxQueue      int
	Deadline      time.Duration
	ShutdownGrace time.Duration
	BacklogQuota  int64
	Retention     int // days; 0: for ever
	SchemaMode    string
	DeadLetters   bool
}

// NewCommand returns `gmctl serve ingestion`.
func NewCommand(f *factory.Factory) *cobra.Command {
	opts, rules := &Options{}, event.DefaultRules()
	cmd := &cobra.Command{
		Use:   "ingestion",
		Short: "Run the service that takes events over HTTP",
		Long: `Run the service that takes player events over HTTP and answers when they are
stored in PostgreSQL.

  POST /api/v1/events         one event
  POST /api/v1/events/batch   up to 1,000 events
  GET  /api/v1/events/{eventId}, /api/v1/players/{playerId}/events
                              what is stored, for debugging (administrator's key)
  GET  /health                200 while the process serves
  GET  /ready                 200 when events can be stored, else 503 with reasons
  GET  /metrics               Prometheus; with --admin-listen only there
  GET  /openapi.json          the description of all this

` + service.Configuration + `

` + tracing.Configuration + `

The service starts when PostgreSQL is not there yet: it is alive, not ready, and
answers events with 503 and Retry-After until the database comes. SIGTERM ends it
when the requests in flight are answered. Logs go to stderr.`,
		Example: `  gmctl serve ingestion --database-url postgres://gamemetrics@127.0.0.1/gamemetrics --migrate
  GMCTL_LISTEN=:8080 GMCTL_DATABASE_URL=postgres://… gmctl serve ingestion --log-format json
  curl -H 'Content-Type: application/json' http://127.0.0.1:8080/api/v1/events \
    -d '{"playerId":"p1","eventType":"login","timestamp":"'$(date -u +%FT%TZ)'"}'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.Complete(cmd, f); err != nil {
				return err
			}
			return run(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	opts.Define(flags, service.Purpose{Port: 8080, Listens: "serve on", Database: "store in"})
	flags.StringVar(&opts.Admin, "admin-listen", "", "`address` to serve /metrics, /health, /ready and Go's profiles (/debug/pprof/) on; /metrics is on --listen no more then")
	flags.StringVar(&opts.TLSCert, "tls-cert", "", "`file` of the certificate, and those that sign it, in PEM: serve HTTPS on --listen; a new one is taken without a restart")
	flags.StringVar(&opts.TLSKey, "tls-key", "", "`file` of its key, in PEM")
	flags.BoolVar(&opts.Migrate, "migrate", false, "make or upgrade the database schema first; safe with several replicas")
	opts.defineSenders(flags)
	duration.Var(flags, &opts.MaxAge, "max-age", rules.MaxAge, "how far back the timestamp of an event may lie")
	duration.Var(flags, &opts.MaxAhead, "max-ahead", rules.MaxAhead, "how far ahead of now the timestamp of an event may lie")
	flags.IntVar(&opts.MaxMetadata, "max-metadata", rules.MaxMetadata, "`bytes` of an event's metadata")
	flags.Int64Var(&opts.MaxBody, "max-body", eventapi.MaxBody, "`bytes` of the body of one event")
	flags.Int64Var(&opts.MaxBatchBody, "max-batch-body", eventapi.MaxBatchBody, "`bytes` of the body of a batch")
	flags.IntVar(&opts.MaxBatch, "max-batch", eventapi.MaxBatch, "`events` in a batch")
	flags.IntVar(&opts.Writers, "writers", ingestion.DefaultWriters, "`writes` to PostgreSQL at the same time")
	flags.IntVar(&opts.MaxQueue, "max-queue", 20_000, "`events` that may wait for a writer; more are answered 503")
	flags.DurationVar(&opts.Deadline, "deadline", 5*time.Second, "how long storing may take before a request is answered 503")
	flags.DurationVar(&opts.ShutdownGrace, "shutdown-grace", 15*time.Second, "how long requests in flight may take once told to stop")
	flags.Int64Var(&opts.BacklogQuota, "backlog-quota", ingestion.DefaultBacklogQuota, "`bytes` that may be stored and not yet published, while Kafka is away, before events are answered 503; 0: no quota")
	flags.IntVar(&opts.Retention, "retention", 0, "`days` that events are kept in PostgreSQL, by their own timestamp, if they are published by then; 0: for ever")
	flags.StringVar(&opts.SchemaMode, "schema-mode", string(schemas.Strict), "how strictly the schemas of gmctl schemas hold at most: off, report or strict (as each `mode` says)")
	flags.BoolVar(&opts.DeadLetters, "dead-letters", false, "keep rejected events of requests without an API key (a key says it for its own), for the relay to publish to dlq.events")
	flagenv.Bind(flags)
	return cmd
}

// validate refuses limits that cannot be meant.
func (o *Options) validate() error {
	for _, limit := range []struct {
		flag string
		ok   bool
	}{
		{"max-age", o.MaxAge > 0}, {"max-ahead", o.MaxAhead > 0}, {"max-metadata", o.MaxMetadata > 0},
		{"max-body", o.MaxBody > 0}, {"max-batch-body", o.MaxBatchBody > 0}, {"max-batch", o.MaxBatch > 0},
		{"writers", o.Writers > 0}, {"max-queue", o.MaxQueue > 0},
		{"deadline", o.Deadline > 0}, {"shutdown-grace", o.ShutdownGrace > 0},
	} {
		if !limit.ok {
			return service.Usage("--"+limit.flag+" must be more than zero", "leave it out for its default: gmctl serve ingestion --help")
		}
	}
	if o.BacklogQuota < 0 {
		return service.Usage("--backlog-quota must not be negative", "give it 0 for no quota")
	}
	// An event that is sent again is found only while its day is there.
	if keep := o.keep(); keep != 0 && keep < o.MaxAge+24*time.Hour {
		return service.Usage("--retention must be a day more than --max-age, or 0",
			fmt.Sprintf("give it %d days or more", int((o.MaxAge+47*time.Hour).Hours()/24)))
	}
	if (o.TLSCert == "") != (o.TLSKey == "") {
		return service.Usage("--tls-cert and --tls-key go together", "give both, or none for plain HTTP")
	}
	if !schemas.Mode(o.SchemaMode).Valid() {
		return service.Usage(fmt.Sprintf("--schema-mode does not take %q", o.SchemaMode), "choose off, report or strict")
	}
	return nil
}

// keep is how long events are kept; 0: for ever.
func (o *Options) keep() time.Duration { return time.Duration(o.Retention) * 24 * time.Hour }

// run serves until ctx ends.
func run(ctx context.Context, opts *Options) error {
	if err := opts.validate(); err != nil {
		return err
	}
	log, err := opts.Logger()
	if err != nil {
		return err
	}
	return opts.serve(ctx, log)
}
