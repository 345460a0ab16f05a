package kafka_test

import (
	"errors"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/gamemetrics/gmctl/internal/cli"
	testkafka "github.com/gamemetrics/gmctl/internal/testenv/kafka"
)

var (
	update = flag.Bool("update", false, "rewrite what the scripts compare output with")
	real   = testkafka.Shared{Options: testkafka.Options{TLS: true, SASL: true}}
)

// The test binary is gmctl itself when a script calls it by that name.
func TestMain(m *testing.M) {
	testscript.Main(withRealKafka{m}, map[string]func(){"gmctl": func() { os.Exit(cli.Main()) }})
}

// withRealKafka stops the shared Apache Kafka when the tests are done.
type withRealKafka struct{ m *testing.M }

func (w withRealKafka) Run() int { return real.Main(w.m) }

// TestScriptsOnTheEmbeddedBroker runs testdata/script/*.txtar, each against an
// embedded cluster of its own.
func TestScriptsOnTheEmbeddedBroker(t *testing.T) {
	runScripts(t, filepath.Join("testdata", "script"), func(env *testscript.Env) error {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			return err
		}
		env.Defer(cluster.Close)
		env.Setenv("GMCTL_KAFKA_BROKERS", strings.Join(cluster.ListenAddrs(), ","))
		return nil
	})
}

// TestScriptsOnApacheKafka runs testdata/real/*.txtar against a real broker.
func TestScriptsOnApacheKafka(t *testing.T) {
	cluster := real.Cluster(t)
	runScripts(t, filepath.Join("testdata", "real"), func(env *testscript.Env) error {
		env.Setenv("GMCTL_KAFKA_BROKERS", strings.Join(cluster.Config().Brokers, ","))
		env.Setenv("TLS", strings.Join(cluster.TLSConfig().Brokers, ","))
		env.Setenv("SASL", strings.Join(cluster.SASLConfig("").Brokers, ","))
		env.Setenv("SASLTLS", strings.Join(cluster.SASLTLSConfig("").Brokers, ","))
		env.Setenv("CA", cluster.CAFile())
		env.Setenv("KAFKA_USER", testkafka.User)
		env.Setenv("KAFKA_PASSWORD", testkafka.Password)
		return nil
	})
}

// runScripts runs the scripts of a folder in a home of their own. Besides
// testscript's own commands a script has
//
//	exits CODE gmctl ARGS...    fails unless the command exits with the code
//
// and $NOBODY, an address on which nothing listens.
func runScripts(t *testing.T, dir string, setup func(*testscript.Env) error) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("TERM", "dumb")
			unused, err := unusedAddress()
			if err != nil {
				return err
			}
			env.Setenv("NOBODY", unused)
			return setup(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

func unusedAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGS...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
