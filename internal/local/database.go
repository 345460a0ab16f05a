package local

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/postgres/server"
)

// databaseComponent is PostgreSQL, as a child process.
type databaseComponent struct {
	spec   Spec
	ports  *ports
	output io.Writer
	server atomic.Pointer[server.Server] // nil while it is not up
}

var _ measured = (*databaseComponent)(nil)

// connection returns the connection string of the platform's user; false while
// PostgreSQL is not up.
func (d *databaseComponent) connection() (string, bool) {
	if s := d.server.Load(); s != nil {
		return s.DSN(), true
	}
	return "", false
}

func (d *databaseComponent) run(ctx context.Context, say announcer) error {
	major, err := server.MajorOf(d.spec.Postgres)
	if err != nil {
		return err
	}
	binaries, err := server.FindMajor(ctx, major, d.spec.Config.Postgres.Binaries, d.spec.Dirs.Cache, say.doing)
	if err != nil {
		return err
	}
	// The server of a supervisor that was killed may hold its port for a moment more.
	if err := server.EndLeftovers(ctx, d.spec.Postgres, say.doing); err != nil {
		return err
	}
	port, err := d.ports.take(Postgres)
	if err != nil {
		return err
	}
	s, err := server.Start(ctx, server.Config{
		DataDir: d.spec.Postgres, SecretsDir: d.spec.SecretsDir(), Binaries: binaries, Port: port, Log: d.output,
	}, say.doing)
	if err != nil {
		return err
	}
	d.server.Store(s)
	defer d.server.Store(nil)
	status := s.Status()
	say.ready(facts{
		summary:    fmt.Sprintf("PostgreSQL %s, pid %d", status.Version, status.PID),
		endpoints:  []engine.Endpoint{{Name: "sql", URL: s.URL()}},
		connection: s.DSN(),
	})
	select {
	case <-s.Done():
		return s.Wait()
	case <-ctx.Done():
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer cancel()
		return s.Stop(stopping)
	}
}

// figuresTimeout bounds what status waits for.
const figuresTimeout = time.Second

// figures tells how many events are stored.
func (d *databaseComponent) figures(ctx context.Context) []engine.Figure {
	url, up := d.connection()
	if !up {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, figuresTimeout)
	defer cancel()
	pool, err := postgres.Open(ctx, postgres.Config{DSN: url, Application: "gmctl status", MaxConns: 1})
	if err != nil {
		return nil
	}
	defer pool.Close()
	stored, err := postgres.Measure(ctx, pool)
	if err != nil {
		return nil
	}
	return []engine.Figure{
		{Name: "stored", Value: float64(stored.Events), Unit: "events", Approx: stored.Approx},
		{Name: "on disk", Value: float64(stored.Bytes), Unit: "bytes"},
	}
}
