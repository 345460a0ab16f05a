package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"
)

// stopGrace is how long the supervisor waits for one component to stop.
const stopGrace = 20 * time.Second

// stopOrder takes producers down before what they write to.
func stopOrder() []string { return []string{Ingestion, Relay, Kafka, Postgres} }

// Supervisor runs the components of one local environment.
type Supervisor struct {
	spec    Spec
	log     *slog.Logger
	runners map[string]*runner
	ports   *ports
	record  record

	shutdown context.CancelFunc
	life     context.Context // ends when the components must
}

// Serve runs the supervisor until ctx ends or it is told to shut down over its
// control API. A second supervisor of the same environment is refused with a
// problem of kind Locked.
func Serve(ctx context.Context, spec Spec) (err error) {
	if err := os.MkdirAll(LogsDir(spec.Dirs), 0o700); err != nil {
		return err
	}
	hold, err := takeHold(ctx, spec)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hold.release()) }()

	last, err := readRecord(spec.Dirs)
	if err != nil {
		last = record{} // of a supervisor that is gone; only its ports are of use
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	ctx, shutdown := context.WithCancel(ctx)
	defer shutdown()

	logs := newLogs(spec)
	defer logs.close()
	s := &Supervisor{spec: spec, log: logs.logger("supervisor"), runners: map[string]*runner{}, shutdown: shutdown, life: life}
	s.record = record{PID: os.Getpid(), Token: rand.Text(), Boot: rand.Text(), SpecHash: spec.Hash(), Since: time.Now()}
	s.ports = newPorts(spec, last.Ports, func(taken map[string]int) error {
		s.record.Ports = taken
		return s.record.save(spec.Dirs)
	})
	s.record.Ports = last.Ports
	if err := s.record.save(spec.Dirs); err != nil { // from here on an old record misleads no one
		return err
	}
	wake := make(chan struct{}, 1)
	database := &databaseComponent{spec: spec, ports: s.ports, output: logs.writer(Postgres)}
	broker := &brokerComponent{spec: spec, ports: s.ports, log: logs.logger(Kafka), pause: 2 * time.Second}
	for name, c := range map[string]component{
		Postgres:  database,
		Kafka:     broker,
		Ingestion: &ingestionComponent{spec: spec, port: keptPort{name: Ingestion, ports: s.ports}, log: logs.logger(Ingestion), database: database.connection, stored: wake},
		Relay:     &relayComponent{log: logs.logger(Relay), database: database.connection, brokers: broker.connection, wake: wake},
	} {
		s.runners[name] = newRunner(name, c, s.log.With("component", name))
	}
	var watching sync.WaitGroup
	defer watching.Wait()
	watched, stop := context.WithCancel(ctx)
	defer stop()
	watching.Go(func() {
		hold.watch(watched, func(why error) {
			s.log.Warn("the environment is not this supervisor's any more", "error", why)
			shutdown()
		})
	})
	return s.serve(ctx)
}

// serve answers the control API until ctx ends, then stops every component.
func (s *Supervisor) serve(ctx context.Context) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for control: %w", err)
	}
	s.record.Control = "http://" + listener.Addr().String()
	if err := s.record.save(s.spec.Dirs); err != nil {
		return err
	}
	control := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- control.Serve(listener) }()
	s.log.Info("supervisor ready", "pid", s.record.PID, "env", s.spec.Env)

	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.log.Info("supervisor stopping")
	err = errors.Join(err, s.stopAll())
	closing, cancel := context.WithTimeout(s.life, time.Second)
	defer cancel()
	if control.Shutdown(closing) != nil {
		_ = control.Close() // a client that keeps its request open must not keep us
	}
	s.log.Info("supervisor stopped", "error", err)
	return err
}

func (s *Supervisor) stopAll() error {
	var errs []error
	for _, name := range stopOrder() {
		ctx, cancel := context.WithTimeout(s.life, stopGrace)
		errs = append(errs, s.runners[name].stop(ctx))
		cancel()
	}
	return errors.Join(errs...)
}

// logs gives each component its own rotated file.
type logs struct {
	dir   string
	mu    sync.Mutex
	files map[string]*lumberjack.Logger
}

func newLogs(spec Spec) *logs {
	return &logs{dir: LogsDir(spec.Dirs), files: map[string]*lumberjack.Logger{}}
}

func (l *logs) writer(name string) *lumberjack.Logger {
	l.mu.Lock()
	defer l.mu.Unlock()
	file, ok := l.files[name]
	if !ok {
		file = &lumberjack.Logger{Filename: filepath.Join(l.dir, name+".log"), MaxSize: 20, MaxBackups: 2} // MiB, files
		l.files[name] = file
	}
	return file
}

func (l *logs) logger(name string) *slog.Logger {
	return slog.New(slog.NewJSONHandler(l.writer(name), nil))
}

func (l *logs) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, file := range l.files {
		_ = file.Close()
	}
}
