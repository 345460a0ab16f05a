package postgres

import (
	"context"
	"maps"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Limits on what one connection or statement may take. Someone waits for most
// of what runs here, so an answer that comes late is as good as none.
const (
	ConnectTimeout   = 5 * time.Second
	PingTimeout      = 2 * time.Second  // of a connection that was idle, before it is used
	StatementTimeout = 30 * time.Second // the server ends a statement that its client has forgotten
	IdleInTxTimeout  = 60 * time.Second // an open transaction holds back the relay
	HealthPeriod     = 10 * time.Second // how often idle connections are looked at

	// answerTimeout is how long the answer to a statement is waited for in the
	// background: the server may be gone without a word. Where it is there it ends the
	// statement itself, or removes the files of a large day when that is done.
	answerTimeout = StatementTimeout + time.Minute
)

// Config says which database to use, and how.
type Config struct {
	DSN         string // URL or keyword=value form; PG* variables fill what it leaves out
	Application string // application_name, which pg_stat_activity shows; empty: gmctl
	MaxConns    int32  // 0: 8
	// Dial connects to what the DSN calls its host; nil: the network does.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	settings map[string]string // session settings beside the usual ones
}

// Pool is a pool of connections.
type Pool = pgxpool.Pool

// NewPool returns a pool that connects when it is first used. Its error is a
// *problem.Error of kind Usage: the DSN cannot be read.
func NewPool(ctx context.Context, cfg Config) (*pgxpool.Pool, error) {
	parsed, err := pgxpool.ParseConfig(cfg.DSN)
	if err != nil {
		return nil, unreadable(err)
	}
	parsed.MaxConns = 8
	if cfg.MaxConns > 0 {
		parsed.MaxConns = cfg.MaxConns
	}
	parsed.HealthCheckPeriod = HealthPeriod
	parsed.MaxConnIdleTime = 5 * time.Minute
	parsed.MaxConnLifetime = time.Hour
	parsed.MaxConnLifetimeJitter = 5 * time.Minute
	if parsed.ConnConfig.ConnectTimeout == 0 {
		parsed.ConnConfig.ConnectTimeout = ConnectTimeout
	}
	if parsed.PingTimeout == 0 {
		parsed.PingTimeout = PingTimeout
	}
	if cfg.Dial != nil {
		parsed.ConnConfig.DialFunc = cfg.Dial
		parsed.ConnConfig.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	}
	maps.Copy(parsed.ConnConfig.RuntimeParams, sessionSettings(cfg))
	pool, err := pgxpool.NewWithConfig(ctx, parsed)
	if err != nil {
		return nil, Explain(err, cfg.DSN)
	}
	return pool, nil
}

func unreadable(err error) *problem.Error {
	return &problem.Error{
		What: "the PostgreSQL connection string cannot be read", Cause: err,
		Next: "write it as postgres://user:password@host:5432/database", Kind: problem.Usage,
	}
}

// Open returns a pool that has reached the database. Its error is a
// *problem.Error.
func Open(ctx context.Context, cfg Config) (*pgxpool.Pool, error) {
	pool, err := NewPool(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, Explain(err, cfg.DSN)
	}
	return pool, nil
}

// scanRow asks for the only row of a statement, within answerTimeout.
func scanRow(ctx context.Context, pool *Pool, into any, statement string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return pool.QueryRow(ctx, statement, args...).Scan(into)
}

// sessionSettings are set when a connection is made, so that no default of the
// role or the database weakens what the platform promises.
func sessionSettings(cfg Config) map[string]string {
	settings := map[string]string{
		"application_name":                    "gmctl",
		"timezone":                            "UTC",
		"synchronous_commit":                  "on", // an answered event is on disk
		"statement_timeout":                   milliseconds(StatementTimeout),
		"idle_in_transaction_session_timeout": milliseconds(IdleInTxTimeout),
		"jit":                                 "off", // half a second of CPU to compile what runs for a millisecond
	}
	if cfg.Application != "" {
		settings["application_name"] = cfg.Application
	}
	maps.Copy(settings, cfg.settings)
	return settings
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
