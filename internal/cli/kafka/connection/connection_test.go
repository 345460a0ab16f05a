package connection_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/connection"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// source is what the command line and the environment say.
func source(t *testing.T, args ...string) (kafka.Config, error) {
	t.Helper()
	streams, _, _, _ := iostreams.Test()
	cmd := &cobra.Command{Use: "kafka"}
	from := connection.Flags(cmd, factory.New(streams))
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return from(t.Context())
}

// In a cluster all of it comes from the environment: a ConfigMap and a Secret.
func TestFromTheEnvironment(t *testing.T) {
	t.Setenv("GMCTL_KAFKA_BROKERS", "a:9093, b:9093")
	t.Setenv("GMCTL_KAFKA_CA", "/etc/kafka-ca/ca.crt")
	t.Setenv("GMCTL_KAFKA_USERNAME", "gamemetrics")
	t.Setenv("GMCTL_KAFKA_PASSWORD", "hunter2")
	want := kafka.Config{
		Brokers: []string{"a:9093", "b:9093"}, TLS: &kafka.TLS{CAFile: "/etc/kafka-ca/ca.crt"},
		SASL: &kafka.SASL{Mechanism: kafka.ScramSHA512, Username: "gamemetrics", Password: "hunter2"},
	}
	if got, err := source(t); err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v\n%s", err, cmp.Diff(want, got))
	}
	want.Brokers, want.TLS.CAFile, want.SASL.Username, want.SASL.Mechanism = []string{"c:9093"}, "mine.pem", "me", kafka.Plain
	got, err := source(t, "--brokers=c:9093", "--tls-ca=mine.pem", "--sasl-username=me", "--sasl-mechanism=PLAIN")
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("flags win: %v\n%s", err, cmp.Diff(want, got))
	}
}

func TestUserWithoutAPassword(t *testing.T) {
	t.Setenv("GMCTL_KAFKA_BROKERS", "a:9093")
	t.Setenv("GMCTL_KAFKA_USERNAME", "gamemetrics")
	t.Setenv("GMCTL_KAFKA_PASSWORD", "")
	if _, err := source(t); problem.From(err) == nil || problem.From(err).Kind != problem.Usage {
		t.Errorf("%v", err)
	}
}
