package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Config says which server to run.
type Config struct {
	DataDir    string            // absolute; made if it is not there. For root, take it from DataDirFor
	SecretsDir string            // absolute; holds the passwords and a pgpass file, made if it is not there
	Binaries   Binaries          // from Find
	Port       int               // on 127.0.0.1
	User       string            // owner of Database, not a superuser; empty: gamemetrics
	Database   string            // empty: gamemetrics
	Settings   map[string]string // server parameters, over the defaults of this package
	Log        io.Writer         `json:"-"` // the server's log; nil: thrown away
}

// Status is what is known of a running server.
type Status struct {
	PID     int
	Version string // "15.18"
	Since   time.Time
	Port    int
	DataDir string
}

// Server is a running PostgreSQL.
type Server struct {
	config  Config
	secrets *secrets
	child   *child
	since   time.Time
}

const (
	// fastShutdown is how long a server may take to disconnect its clients and
	// write its last checkpoint before it is asked to stop at once.
	fastShutdown = 20 * time.Second
	// immediateShutdown is how long a server may take to stop without a
	// checkpoint before it is killed.
	immediateShutdown = 5 * time.Second
)

// Start runs the server that cfg describes and returns when it accepts
// connections of cfg.User to cfg.Database. The first time it makes the cluster,
// the role and the database. A server of the same data directory that an
// earlier, killed supervisor left is stopped first. ctx bounds the start, not
// the life of the server. report, if not nil, is told what Start is doing.
// Errors are *problem.Error.
func Start(ctx context.Context, cfg Config, report func(string)) (*Server, error) {
	if err := platformSupported(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if report == nil {
		report = func(string) {}
	}
	account, err := accountFor(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	if err := makeParents(cfg.DataDir); err != nil {
		return nil, problemOf("the data directory "+cfg.DataDir+" cannot be made", err)
	}
	if err := account.mustReach(cfg.DataDir); err != nil {
		return nil, err
	}
	secrets, err := openSecrets(cfg.SecretsDir)
	if err != nil {
		return nil, err
	}
	unlock, err := lockDir(ctx, filepath.Dir(cfg.DataDir))
	if err != nil {
		return nil, problemOf("the directory of "+cfg.DataDir+" cannot be locked", err)
	}
	defer unlock()
	if err := EndLeftovers(ctx, cfg.DataDir, report); err != nil {
		return nil, err
	}
	if err := portFree(cfg.Port); err != nil {
		return nil, err
	}
	cluster := cluster{dir: cfg.DataDir, binaries: cfg.Binaries, account: account}
	fresh, err := cluster.ensure(ctx, secrets, report)
	if err != nil {
		return nil, err
	}
	if !fresh && !secrets.hasSuperuser() {
		if err := cluster.resetSuperuser(ctx, secrets, report); err != nil {
			return nil, err
		}
	}
	s, err := launchReady(ctx, cfg, account, secrets, fresh, report)
	if !isWrongPassword(err) {
		return s, err
	}
	// The superuser's password in the file is another cluster's.
	if err := cluster.resetSuperuser(ctx, secrets, report); err != nil {
		return nil, err
	}
	return launchReady(ctx, cfg, account, secrets, true, report)
}

// launchReady starts postgres and makes its role and database ready. It leaves
// no server behind if it fails.
func launchReady(ctx context.Context, cfg Config, account account, secrets *secrets, fresh bool, report func(string)) (*Server, error) {
	s, err := launch(ctx, cfg, account, secrets, report)
	if err != nil {
		return nil, err
	}
	err = s.provision(ctx, fresh)
	if err == nil {
		return s, nil
	}
	s.abort()
	if hasState(err, noSuchDatabase) {
		return nil, damaged(cfg.DataDir, err) // initdb made the database it misses
	}
	return nil, &problem.Error{
		What:  "PostgreSQL started, but the database " + cfg.Database + " could not be made ready",
		Cause: err,
		Next:  "look at the server's log: gmctl logs postgres",
	}
}

// launch starts postgres and waits until it says that it is ready.
func launch(ctx context.Context, cfg Config, account account, secrets *secrets, report func(string)) (*Server, error) {
	report("starting PostgreSQL " + cfg.Binaries.Version)
	child, err := spawn(account, cfg.Log, nil, cfg.Binaries.postgres(), serverArguments(cfg)...)
	if err != nil {
		return nil, problemOf("PostgreSQL could not be started", err)
	}
	s := &Server{config: cfg, secrets: secrets, child: child, since: time.Now()}
	if err := s.awaitReady(ctx, report); err != nil {
		s.abort()
		return nil, err
	}
	go writeBack(cfg.DataDir, child.done)
	return s, nil
}

// awaitReady returns when the server has written into its lock file that it
// accepts connections. That is what pg_ctl waits for; connecting in a loop would
// fill the log with refusals while the server recovers.
func (s *Server) awaitReady(ctx context.Context, report func(string)) error {
	const interval = 5 * time.Millisecond
	started, told := time.Now(), time.Duration(0)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-s.child.done:
			s.child.drain(time.Second)
			return explainServer("PostgreSQL stopped while it was starting", s.child.err, s.child.tail())
		case <-ctx.Done():
			return explainServer("PostgreSQL did not become ready", context.Cause(ctx), s.child.tail())
		case <-tick.C:
		}
		if file, err := readPIDFile(s.config.DataDir); err == nil && file.PID == s.child.pid() && file.Ready {
			return nil
		}
		if waited := time.Since(started); waited > told+2*time.Second {
			told = waited
			report("waiting for PostgreSQL: " + s.child.lastLine())
		}
	}
}

// Done is closed when the server process has ended, for whatever reason.
func (s *Server) Done() <-chan struct{} { return s.child.done }

// Wait blocks until the server process has ended and returns why as a
// *problem.Error; nil if it ended in order.
func (s *Server) Wait() error {
	<-s.child.done
	s.child.drain(time.Second)
	if s.child.err == nil {
		return nil
	}
	return explainServer("PostgreSQL ended unexpectedly", s.child.err, ownLines(s.child.tail(), s.child.pid()))
}

// Stop ends the server: a fast shutdown with a last checkpoint; if that takes
// too long or ctx ends, an immediate one, which the next Start recovers from;
// only a server that ignores both is killed. It returns when the process is
// gone. Stopping a stopped server succeeds.
func (s *Server) Stop(ctx context.Context) error {
	return s.child.stop(ctx)
}

// abort stops a server that is of no use.
func (s *Server) abort() {
	ctx, cancel := context.WithTimeout(context.Background(), fastShutdown)
	defer cancel()
	_ = s.child.stop(ctx) // the failure that led here is the one to tell
}

// Status tells what is known of the server. It asks nobody.
func (s *Server) Status() Status {
	return Status{
		PID: s.child.pid(), Version: s.config.Binaries.Version, Since: s.since,
		Port: s.config.Port, DataDir: s.config.DataDir,
	}
}

// DSN returns a connection string of Config.User to Config.Database, with its
// password: keep it out of logs.
func (s *Server) DSN() string { return s.dsn(s.config.User, s.secrets.user, s.config.Database) }

// SuperuserDSN is DSN for the superuser of the cluster and the given database.
func (s *Server) SuperuserDSN(database string) string {
	return s.dsn(superuser, s.secrets.superuser, database)
}

// URL is DSN without the password, to be shown.
func (s *Server) URL() string {
	u := url.URL{Scheme: "postgres", User: url.User(s.config.User), Host: address(s.config.Port), Path: s.config.Database}
	return u.String()
}

func (s *Server) dsn(user, password, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password),
		Host: address(s.config.Port), Path: database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

func (c Config) withDefaults() Config {
	if c.User == "" {
		c.User = "gamemetrics"
	}
	if c.Database == "" {
		c.Database = "gamemetrics"
	}
	if c.Log == nil {
		c.Log = io.Discard
	}
	return c
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// portFree tells whether a server could listen on the port.
func portFree(port int) error {
	listener, err := net.Listen("tcp", address(port))
	if err == nil {
		return listener.Close()
	}
	return portTaken(port, err)
}

func portTaken(port int, cause error) error {
	return &problem.Error{
		What:  fmt.Sprintf("PostgreSQL cannot listen on port %d", port),
		Cause: cause,
		Next:  "stop what listens there, or set local.postgres.port in gmctl.yaml",
	}
}

// problemOf explains what the operating system said.
func problemOf(what string, err error) error {
	p := &problem.Error{What: what, Cause: err}
	switch {
	case isErrno(err, syscall.ENOSPC):
		p.Next = "free some disk space and run the command again"
	case os.IsPermission(err):
		p.Next = "run gmctl as the owner of that directory, or give it to the user who runs gmctl"
	}
	return p
}
