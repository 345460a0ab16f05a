package kafka_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/gamemetrics/gmctl/internal/cli"
	testkafka "github.com/gamemetrics/gmctl/internal/testenv/kafka"
	"github.com/gamemetrics/gmctl/internal/testenv/script"
)

var real = testkafka.Shared{Options: testkafka.Options{TLS: true, SASL: true}}

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

// runScripts runs the scripts of a folder. They have $NOBODY, an address on which
// nothing listens.
func runScripts(t *testing.T, dir string, setup func(*testscript.Env) error) {
	script.Run(t, testscript.Params{Dir: dir, Setup: func(env *testscript.Env) error {
		unused, err := unusedAddress()
		if err != nil {
			return err
		}
		env.Setenv("NOBODY", unused)
		return setup(env)
	}})
}

func unusedAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
