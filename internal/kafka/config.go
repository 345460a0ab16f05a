// Package kafka is the only place that talks to Kafka: it builds every client
// of the platform from one Config, explains Kafka's errors, and does the
// administration that commands and stages ask for.
package kafka

import (
	"context"
	"net"
)

// Config says how to reach a Kafka cluster.
type Config struct {
	Brokers  []string // host:port seeds
	ClientID string   // empty: gmctl
	TLS      *TLS     // nil: plain text
	SASL     *SASL    // nil: none
	// Dial connects to a broker by the address that Kafka advertises, for one
	// that has its address in another network; nil: directly.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// TLS configures an encrypted connection; the zero value trusts the system's roots.
type TLS struct {
	CAFile             string // PEM; empty: the system's roots
	CA                 string // PEM itself, in place of CAFile
	CertFile, KeyFile  string // PEM; a client certificate, both or none
	ServerName         string // empty: the broker's host name
	InsecureSkipVerify bool
}

// SASL is how a client says who it is.
type SASL struct {
	Mechanism string // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	Username  string
	Password  string
}
