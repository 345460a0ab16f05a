package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// DefaultClientID is how the platform names itself to brokers.
const DefaultClientID = "gmctl"

// How long a client waits before it gives up. They are shorter than
// franz-go's own: a person or a readiness probe waits for the answer, and a
// dead broker is left for its successor within seconds.
const (
	DialTimeout    = 3 * time.Second  // one connection, TLS handshake included
	RequestTimeout = 5 * time.Second  // one answer, beyond what the request itself lets the broker take
	RetryTimeout   = 10 * time.Second // all tries of one request
	// MetadataPause is the shortest time between two looks at who leads
	// what; it bounds how late a client notices a new leader.
	MetadataPause = 100 * time.Millisecond
)

// The SASL mechanisms a Config may name.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
)

// Mechanisms are the SASL mechanisms a Config may name.
func Mechanisms() []string { return []string{Plain, ScramSHA256, ScramSHA512} }

// NewClient returns a client for the cluster in cfg; every client of the
// platform is made here. It does not connect yet. Options in opts come after,
// and override, those made from cfg. The error is a *problem.Error of kind
// Usage: what is wrong with cfg.
func NewClient(cfg Config, opts ...kgo.Opt) (*kgo.Client, error) {
	if len(cfg.Brokers) == 0 {
		return nil, &problem.Error{What: "no Kafka broker is named", Next: "name at least one, as --brokers host:port", Kind: problem.Usage}
	}
	id := cfg.ClientID
	if id == "" {
		id = DefaultClientID
	}
	base := []kgo.Opt{
		kgo.SeedBrokers(cfg.Brokers...),
		kgo.ClientID(id),
		kgo.DialTimeout(DialTimeout),
		kgo.RequestTimeoutOverhead(RequestTimeout),
		kgo.RetryTimeout(RetryTimeout),
		kgo.MetadataMinAge(MetadataPause),
	}
	dialing, err := cfg.dialing()
	if err != nil {
		return nil, err
	}
	base = append(base, dialing...)
	if cfg.SASL != nil {
		mechanism, err := cfg.SASL.mechanism()
		if err != nil {
			return nil, err
		}
		base = append(base, kgo.SASL(mechanism))
	}
	client, err := kgo.NewClient(append(base, opts...)...)
	if err != nil {
		return nil, &problem.Error{
			What: "the Kafka client cannot be configured", Cause: err,
			Next: "check the broker addresses: host:port, separated by commas", Kind: problem.Usage,
		}
	}
	return client, nil
}

// dialing says how the client connects. kgo makes TLS connections itself, except
// over a Dial of ours.
func (c Config) dialing() ([]kgo.Opt, error) {
	var secure *tls.Config
	if c.TLS != nil {
		var err error
		if secure, err = c.TLS.load(); err != nil {
			return nil, err
		}
	}
	switch {
	case c.Dial != nil && secure != nil:
		return []kgo.Opt{kgo.Dialer(secured(c.Dial, secure))}, nil
	case c.Dial != nil:
		return []kgo.Opt{kgo.Dialer(c.Dial)}, nil
	case secure != nil:
		return []kgo.Opt{kgo.DialTLSConfig(secure)}, nil
	}
	return nil, nil
}

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// secured is dial with TLS on top of it, against the name that was dialled.
func secured(dial dialer, config *tls.Config) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		own := config.Clone()
		if own.ServerName == "" {
			if own.ServerName, _, err = net.SplitHostPort(address); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
		}
		over := tls.Client(conn, own)
		if err := over.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return over, nil
	}
}

func (t *TLS) load() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify} //nolint:gosec // off unless the user asks for it by name
	if t.CA != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(t.CA)) {
			return nil, &problem.Error{What: "the CA of Kafka's certificates is no PEM certificate"}
		}
	} else if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, tlsProblem("the CA file cannot be read", err, "check the path given as --tls-ca")
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, tlsProblem("the CA file "+t.CAFile+" holds no PEM certificate", nil,
				"give a PEM file (-----BEGIN CERTIFICATE-----) as --tls-ca; convert a Java trust store with keytool -exportcert -rfc")
		}
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, tlsProblem("a client certificate needs both its certificate and its key", nil, "give both --tls-cert and --tls-key, or neither")
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, tlsProblem("the client certificate cannot be used", err, "check that --tls-cert and --tls-key are PEM files that belong together")
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func tlsProblem(what string, cause error, next string) error {
	return &problem.Error{What: what, Cause: cause, Next: next, Kind: problem.Usage}
}

func (s *SASL) mechanism() (sasl.Mechanism, error) {
	if s.Username == "" || s.Password == "" {
		return nil, &problem.Error{
			What: "SASL needs a user name and a password", Cause: errors.New("one of them is empty"),
			Next: "give --sasl-username, and the password in GMCTL_KAFKA_PASSWORD or --sasl-password-file", Kind: problem.Usage,
		}
	}
	switch strings.ToUpper(s.Mechanism) {
	case Plain:
		return plain.Auth{User: s.Username, Pass: s.Password}.AsMechanism(), nil
	case ScramSHA256:
		return scram.Auth{User: s.Username, Pass: s.Password}.AsSha256Mechanism(), nil
	case ScramSHA512:
		return scram.Auth{User: s.Username, Pass: s.Password}.AsSha512Mechanism(), nil
	}
	return nil, &problem.Error{
		What: fmt.Sprintf("there is no SASL mechanism %q", s.Mechanism),
		Next: "choose one of " + strings.Join(Mechanisms(), ", "), Kind: problem.Usage,
	}
}
