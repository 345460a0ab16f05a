// Package service is what every `gmctl serve SERVICE` shares: the flags for its
// address, its database and its log, and what stands behind them.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/flagenv"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Configuration is the paragraph of a service's help on where its options come
// from.
const Configuration = `Each flag has an environment variable (--log-format too: GMCTL_LOG_FORMAT); the
flag wins. The database is named by --database-url, or by the usual PGHOST,
PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE … Other users of the machine
can read a command line: put a password into GMCTL_DATABASE_PASSWORD,
GMCTL_DATABASE_URL, PGPASSWORD or PGPASSFILE.`

// PasswordVariable is the environment variable that holds the password of the
// database's user, where the URL does not.
const PasswordVariable = "GMCTL_DATABASE_PASSWORD"

// Options are what every service is given.
type Options struct {
	Listen       string // host:port
	DatabaseURL  string // empty: PG* variables; once complete, with user and password
	DatabaseUser string // empty: the URL's
	LogLevel     string

	log       io.Writer
	logFormat string // text or json
}

// Purpose is what a service does with what all of them have, for the help of its
// flags.
type Purpose struct {
	Port     int    // where it listens on this machine unless told otherwise
	Listens  string // such as "serve on"
	Database string // such as "store in"
}

// Define adds the flags to those of a service.
func (o *Options) Define(flags *pflag.FlagSet, p Purpose) {
	flags.StringVar(&o.Listen, "listen", fmt.Sprintf("127.0.0.1:%d", p.Port), fmt.Sprintf("`address` to %s; :%d for all interfaces", p.Listens, p.Port))
	o.DefineDatabase(flags, p)
}

// DefineDatabase adds the flags of what has a database and does not listen.
func (o *Options) DefineDatabase(flags *pflag.FlagSet, p Purpose) {
	flags.StringVar(&o.DatabaseURL, "database-url", "", "PostgreSQL to "+p.Database+", as a `URL` or keyword=value; default: the PG* variables")
	flags.StringVar(&o.DatabaseUser, "database-user", "", "`name` to log in to PostgreSQL with, with the password in $"+PasswordVariable+"; default: the URL's")
	flags.StringVar(&o.LogLevel, "log-level", "info", "least `level` that is logged: debug, info, warn or error")
}

// Complete takes from the environment what the command line did not give. Its
// error is a *problem.Error of kind Usage.
func (o *Options) Complete(cmd *cobra.Command, f *factory.Factory) error {
	if err := flagenv.Apply(cmd.Flags(), os.Getenv); err != nil {
		return err
	}
	o.DatabaseURL = postgres.Login{User: o.DatabaseUser, Password: os.Getenv(PasswordVariable)}.In(o.DatabaseURL)
	o.log, o.logFormat = f.IO.Err, f.LogFormat
	if format := os.Getenv(flagenv.Variable("log-format")); format != "" && !cmd.Flags().Changed("log-format") {
		o.logFormat = format
	}
	return nil
}

// Logger returns the service's log.
func (o *Options) Logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.LogLevel)); err != nil {
		return nil, Usage(fmt.Sprintf("there is no log level %q", o.LogLevel), "choose debug, info, warn or error")
	}
	options := &slog.HandlerOptions{Level: level}
	switch o.logFormat {
	case "json":
		return slog.New(slog.NewJSONHandler(o.log, options)), nil
	case "text":
		return slog.New(slog.NewTextHandler(o.log, options)), nil
	}
	return nil, Usage(fmt.Sprintf("there is no log format %q", o.logFormat), "choose text or json")
}

// Listener listens on the service's address.
func (o *Options) Listener(ctx context.Context) (net.Listener, error) {
	return Listen(ctx, "listen", o.Listen)
}

// Listen listens on the address that a flag has.
func Listen(ctx context.Context, flag, address string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &problem.Error{
			What: "another process listens on " + address, Cause: err,
			Next: "choose another address with --" + flag + ", or 127.0.0.1:0 for any free port",
		}
	case err != nil:
		return nil, &problem.Error{What: "cannot listen on " + address, Cause: err, Next: "give --" + flag + " a host:port of this machine", Kind: problem.Usage}
	}
	return listener, nil
}

// Usage is the error of a flag that has a value it does not take.
func Usage(what, next string) error {
	return &problem.Error{What: what, Next: next, Kind: problem.Usage}
}
