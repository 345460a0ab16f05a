// Package connection holds the flags that say which Kafka a `gmctl kafka`
// command talks to.
package connection

import (
	"cmp"
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// The environment variables that stand in for flags.
const (
	BrokersVariable  = "GMCTL_KAFKA_BROKERS"
	CAVariable       = "GMCTL_KAFKA_CA"
	UsernameVariable = "GMCTL_KAFKA_USERNAME"
	PasswordVariable = "GMCTL_KAFKA_PASSWORD"
)

// Source returns how to reach the Kafka that the command line names.
type Source func(context.Context) (kafka.Config, error)

// flags are the command line's words about the connection.
type flags struct {
	brokers      []string
	tls          bool
	files        kafka.TLS
	mechanism    string
	username     string
	passwordFile string
}

// Flags adds the connection flags to cmd and all its subcommands. The source
// it returns answers once they are parsed: from --brokers, else from
// GMCTL_KAFKA_BROKERS, else from the environment that --env names.
func Flags(cmd *cobra.Command, f *factory.Factory) Source {
	var c flags
	set := cmd.PersistentFlags()
	set.StringSliceVar(&c.brokers, "brokers", nil, "`host:port` of one or more brokers (default: $"+BrokersVariable+", else those of the environment)")
	set.BoolVar(&c.tls, "tls", false, "connect with TLS; the --tls-… flags imply it")
	set.StringVar(&c.files.CAFile, "tls-ca", "", "PEM `file` of the CA that signed the brokers' certificates (default: $"+CAVariable+", else the system's)")
	set.StringVar(&c.files.CertFile, "tls-cert", "", "PEM `file` of a client certificate")
	set.StringVar(&c.files.KeyFile, "tls-key", "", "PEM `file` of the client certificate's key")
	set.StringVar(&c.files.ServerName, "tls-server-name", "", "`name` the brokers' certificates are checked against (default: the broker's host)")
	set.StringVar(&c.mechanism, "sasl-mechanism", "", "`mechanism` to log in with: "+strings.Join(kafka.Mechanisms(), ", ")+" (default: "+kafka.ScramSHA512+")")
	set.StringVar(&c.username, "sasl-username", "", "user `name` to log in with (default: $"+UsernameVariable+")")
	set.StringVar(&c.passwordFile, "sasl-password-file", "", "`file` that holds the password (default: $"+PasswordVariable+")")
	_ = cmd.RegisterFlagCompletionFunc("sasl-mechanism", cobra.FixedCompletions(kafka.Mechanisms(), cobra.ShellCompDirectiveNoFileComp))
	return func(ctx context.Context) (kafka.Config, error) {
		cfg, err := c.base(ctx, f)
		if err != nil {
			return cfg, err
		}
		return c.apply(cfg)
	}
}

func (c *flags) base(ctx context.Context, f *factory.Factory) (kafka.Config, error) {
	brokers := c.brokers
	if len(brokers) == 0 {
		brokers = split(os.Getenv(BrokersVariable))
	}
	if len(brokers) > 0 {
		c.files.CAFile = cmp.Or(c.files.CAFile, os.Getenv(CAVariable))
		c.username = cmp.Or(c.username, os.Getenv(UsernameVariable))
		return kafka.Config{Brokers: brokers}, nil
	}
	env, err := f.Environment(environment.Options{})
	if err != nil {
		return kafka.Config{}, err
	}
	return env.Kafka(ctx)
}

func split(list string) []string {
	var parts []string
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// apply lays TLS and the login over cfg.
func (c *flags) apply(cfg kafka.Config) (kafka.Config, error) {
	if c.tls || c.files != (kafka.TLS{}) {
		files := c.files
		cfg.TLS = &files
	}
	if c.username == "" {
		if c.mechanism != "" || c.passwordFile != "" {
			return cfg, &problem.Error{What: "a login needs a user name", Next: "add --sasl-username NAME", Kind: problem.Usage}
		}
		return cfg, nil
	}
	password, err := c.password()
	if err != nil {
		return cfg, err
	}
	cfg.SASL = &kafka.SASL{Mechanism: cmp.Or(c.mechanism, kafka.ScramSHA512), Username: c.username, Password: password}
	return cfg, nil
}

func (c *flags) password() (string, error) {
	if c.passwordFile == "" {
		if password := os.Getenv(PasswordVariable); password != "" {
			return password, nil
		}
		return "", &problem.Error{
			What: "there is no password for the Kafka user " + c.username,
			Next: "set " + PasswordVariable + ", or give --sasl-password-file FILE", Kind: problem.Usage,
		}
	}
	content, err := os.ReadFile(c.passwordFile)
	if err != nil {
		return "", &problem.Error{What: "the password file cannot be read", Cause: err, Next: "check --sasl-password-file", Kind: problem.Usage}
	}
	password := strings.TrimRight(string(content), "\r\n")
	if password == "" {
		return "", &problem.Error{What: "the password file " + c.passwordFile + " is empty", Next: "write the password into it", Kind: problem.Usage}
	}
	return password, nil
}

// Open connects to the Kafka that the command line names.
func (s Source) Open(ctx context.Context) (*kafka.Session, error) {
	cfg, err := s(ctx)
	if err != nil {
		return nil, err
	}
	return kafka.Open(cfg)
}
