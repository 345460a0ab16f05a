//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	platform "github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/testenv/kafka"
	"github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// grounds are what the services of all measurements run on: a durable PostgreSQL
// and a real Kafka. Each measurement has a database of its own in them.
type grounds struct {
	gmctl    string
	postgres *postgres.Server
	kafka    *kafka.Cluster
	count    int
}

func newGrounds(ctx context.Context, gmctl string) (g *grounds, err error) {
	g = &grounds{gmctl: gmctl}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.close())
		}
	}()
	if g.postgres, err = postgres.StartServer(ctx, postgres.Options{Settings: settings()}); err != nil {
		return g, err
	}
	if err := g.writeWAL(ctx); err != nil {
		return g, err
	}
	if g.kafka, err = kafka.Start(ctx, kafka.Options{Optimize: true, HeapMiB: 512}); err != nil {
		return g, err
	}
	client, err := platform.NewClient(g.kafka.Config())
	if err != nil {
		return g, err
	}
	defer client.Close()
	_, err = platform.EnsureTopics(ctx, client, topics.All(), 1)
	return g, err
}

// settings are those of PostgreSQL.
func settings() map[string]string {
	return map[string]string{"shared_buffers": "1GB", "max_wal_size": "4GB", "min_wal_size": walKept, "max_connections": "200"}
}

// walKept is how much WAL PostgreSQL keeps to write over.
const walKept = "2GB"

// writeWAL makes PostgreSQL one that has run for some time: its WAL goes into files
// that are there. A new server makes each of them first, and every commit waits for
// some 30 ms meanwhile.
func (g *grounds) writeWAL(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, g.postgres.SuperuserDSN("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, statement := range []string{
		"CREATE TABLE filler AS SELECT repeat(md5(n::text), 30) AS text FROM generate_series(1, 2000000) n", // 2 GB
		"DROP TABLE filler",
		"CHECKPOINT",
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func (g *grounds) close() error {
	var errs []error
	if g.kafka != nil {
		errs = append(errs, g.kafka.Stop())
	}
	if g.postgres != nil {
		errs = append(errs, g.postgres.Remove())
	}
	return errors.Join(errs...)
}

func (g *grounds) brokers() string { return strings.Join(g.kafka.Config().Brokers, ",") }

// site is one measurement's own: an empty database, and the services on it. The
// topics are everyone's.
type site struct {
	*grounds
	dsn      string
	services []*service
}

// on runs work on a new site, and clears it away.
func (g *grounds) on(ctx context.Context, work func(*site) error) (err error) {
	g.count++
	name := fmt.Sprintf("bench_%d", g.count)
	// What others have written, into Kafka's logs too, is not written back meanwhile.
	if err := g.administer(ctx, "CHECKPOINT"); err != nil {
		return err
	}
	unix.Sync()
	if err := g.administer(ctx, "CREATE DATABASE "+name+" OWNER gamemetrics"); err != nil {
		return err
	}
	dsn, err := url.Parse(g.postgres.DSN())
	if err != nil {
		return err
	}
	dsn.Path = name
	s := &site{grounds: g, dsn: dsn.String()}
	defer func() {
		for _, running := range s.services {
			err = errors.Join(err, running.stop())
		}
		err = errors.Join(err, g.administer(context.WithoutCancel(ctx), "DROP DATABASE "+name+" WITH (FORCE)"))
	}()
	return work(s)
}

func (g *grounds) administer(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, g.postgres.SuperuserDSN("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, statement)
	return err
}

// service is a process that listens.
type service struct {
	address string
	command *exec.Cmd
	output  strings.Builder
	ended   chan struct{} // closed when it has, with err
	err     error
	killed  bool
}

// ingestion starts `gmctl serve ingestion`.
func (s *site) ingestion(ctx context.Context, more ...string) (*service, error) {
	return s.start(ctx, s.gmctl, append([]string{"serve", "ingestion", "--migrate", "--database-url", s.dsn}, more...)...)
}

// relay starts `gmctl serve relay`.
func (s *site) relay(ctx context.Context) (*service, error) {
	return s.start(ctx, s.gmctl, "serve", "relay", "--database-url", s.dsn, "--brokers", s.brokers())
}

// start starts a program that takes --listen, and returns when it is ready.
func (s *site) start(ctx context.Context, program string, args ...string) (*service, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	return s.run(ctx, address, exec.Command(program, append(args, "--listen", address)...))
}

// run starts a command that listens at address, and returns when it answers GET
// /ready with success.
func (s *site) run(ctx context.Context, address string, command *exec.Cmd) (*service, error) {
	running := &service{address: address, command: command, ended: make(chan struct{})}
	running.command.Stderr = &running.output
	if err := running.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(running.ended)
		running.err = command.Wait()
	}()
	s.services = append(s.services, running)
	const patience = time.Minute
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if running.ready(ctx) {
			return running, nil
		}
		if running.hasEnded() {
			break
		}
	}
	return nil, fmt.Errorf("%s is not ready:\n%s", command, &running.output)
}

func (s *service) ready(ctx context.Context) bool {
	w, err := dial(ctx, s.address)
	if err != nil {
		return false
	}
	defer w.conn.Close()
	if _, err := w.conn.Write([]byte("GET /ready HTTP/1.0\r\n\r\n")); err != nil {
		return false
	}
	line, err := w.answers.ReadString('\n')
	return err == nil && strings.Contains(line, " 200 ")
}

func (s *service) hasEnded() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// kill ends the process as a crash does; stop finds nothing wrong with that.
func (s *service) kill() error {
	s.killed = true
	return s.command.Process.Kill()
}

func (s *service) stop() error {
	const jvmTerminated = 128 + int(syscall.SIGTERM) // a JVM's code when it ended in order
	_ = s.command.Process.Signal(syscall.SIGTERM)
	<-s.ended
	if s.err != nil && !s.killed && s.command.ProcessState.ExitCode() != jvmTerminated {
		return fmt.Errorf("%s: %w\n%s", s.command, s.err, &s.output)
	}
	return nil
}

// peer starts this program as one of the peers.
func (s *site) peer(ctx context.Context, name string) (*service, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return s.start(ctx, self, "-peer", name, "-database-url", s.dsn, "-brokers", s.brokers())
}

// listen is for the peers.
func listen(address string) (net.Listener, error) { return net.Listen("tcp", address) }
