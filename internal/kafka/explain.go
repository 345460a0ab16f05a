package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Explain says what a Kafka error means to the person who sees it: what
// failed, the cause as the system said it, and what to do next. It returns nil
// for nil, and a *problem.Error in err's chain as it is.
func Explain(err error, cfg Config) *problem.Error {
	if err == nil {
		return nil
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	if errors.Is(err, context.Canceled) {
		return &problem.Error{What: "the work with Kafka was interrupted", Cause: err, Kind: problem.Cancelled}
	}
	for _, explain := range []func(error, Config) *problem.Error{explainNetwork, explainProtocol, explainTLS, explainSASL, explainCode, explainTimeout} {
		if p := explain(err, cfg); p != nil {
			p.Cause = err
			return p
		}
	}
	return &problem.Error{What: "Kafka at " + at(cfg) + " gave an error", Cause: err, Next: "if it does not pass look at the broker's log"}
}

// ExplainTopic is Explain for an error that has to do with one topic: the
// remedy names it.
func ExplainTopic(err error, cfg Config, topic string) *problem.Error {
	p := Explain(err, cfg)
	if p == nil {
		return nil
	}
	named := *p
	named.Next = strings.ReplaceAll(p.Next, "TOPIC", topic)
	return &named
}

// explainProtocol knows answers that are not Kafka's. franz-go tells them only
// in words.
func explainProtocol(err error, cfg Config) *problem.Error {
	switch text := err.Error(); {
	case strings.Contains(text, "tls alert"):
		return &problem.Error{What: "the Kafka port at " + at(cfg) + " speaks TLS", Next: "add --tls, and --tls-ca FILE if the CA is a private one"}
	case strings.Contains(text, "HTTP response"):
		return &problem.Error{What: at(cfg) + " speaks HTTP, not Kafka", Next: "give the address of a Kafka broker as --brokers; 9092 is its usual port"}
	}
	return nil
}

func at(cfg Config) string { return strings.Join(cfg.Brokers, ", ") }

func explainNetwork(err error, cfg Config) *problem.Error {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return &problem.Error{
			What: "the Kafka broker's host name " + dns.Name + " cannot be resolved",
			Next: "check the spelling; if it is not in --brokers, the broker advertises it (advertised.listeners) and this machine cannot resolve it",
		}
	}
	op, isOp := errors.AsType[*net.OpError](err)
	switch {
	case isOp && op.Op == "dial" && errors.Is(err, syscall.ECONNREFUSED):
		return &problem.Error{
			What: "nothing listens at the Kafka broker " + address(op, cfg),
			Next: "start the broker, or correct --brokers; if the address is not in --brokers, the broker advertises it (advertised.listeners)",
		}
	case isOp && op.Op == "dial" && (errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH)):
		return &problem.Error{
			What: "there is no route to the Kafka broker " + address(op, cfg),
			Next: "check the network or VPN; if the address is not in --brokers, the broker advertises it (advertised.listeners)",
		}
	case isOp && op.Op == "dial" && op.Timeout():
		return &problem.Error{
			What: "the Kafka broker " + address(op, cfg) + " did not accept a connection within " + DialTimeout.String(),
			Next: "check the address and that no firewall or security group drops the packets",
		}
	}
	return nil
}

func address(op *net.OpError, cfg Config) string {
	if op.Addr != nil {
		return op.Addr.String()
	}
	return at(cfg)
}

func explainTLS(err error, cfg Config) *problem.Error {
	_, notTLS := errors.AsType[tls.RecordHeaderError](err)
	if notTLS || (cfg.TLS != nil && isFirstReadEOF(err)) {
		return &problem.Error{What: "the Kafka port at " + at(cfg) + " does not speak TLS", Next: "leave --tls out, or use the port of the broker's TLS listener"}
	}
	if cfg.TLS == nil && isFirstReadEOF(err) && strings.Contains(err.Error(), "TLS missing") {
		return &problem.Error{
			What: "Kafka at " + at(cfg) + " closed the connection at once",
			Next: "look whether the broker is up; if it is, and this is a TLS port, add --tls (and --tls-ca for a private CA); if it wants a login add --sasl-mechanism and --sasl-username",
		}
	}
	if host, ok := errors.AsType[x509.HostnameError](err); ok {
		return &problem.Error{
			What: "the Kafka broker's certificate is not for the name " + host.Host,
			Next: "connect by a name the certificate holds, or give it as --tls-server-name",
		}
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return &problem.Error{What: "the Kafka broker's certificate is signed by a CA that this machine does not trust", Next: "give the CA's certificate as --tls-ca FILE"}
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &problem.Error{What: "the Kafka broker's certificate is not valid", Next: "check its dates and chain: openssl s_client -connect " + at(cfg) + " -showcerts"}
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return &problem.Error{What: "Kafka at " + at(cfg) + " refused the TLS connection", Next: "if the broker asks for a client certificate give --tls-cert and --tls-key"}
	}
	return nil
}

func isFirstReadEOF(err error) bool {
	_, ok := errors.AsType[*kgo.ErrFirstReadEOF](err)
	return ok
}

func explainSASL(err error, cfg Config) *problem.Error {
	switch {
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return &problem.Error{What: "Kafka at " + at(cfg) + " does not offer the SASL mechanism " + mechanismName(cfg), Next: "choose another --sasl-mechanism: " + strings.Join(Mechanisms(), ", ")}
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return &problem.Error{What: "Kafka at " + at(cfg) + " refused the login of " + userName(cfg), Next: "check --sasl-username, the password, and that --sasl-mechanism is the one the user was made for"}
	case errors.Is(err, kerr.IllegalSaslState):
		return &problem.Error{What: "Kafka at " + at(cfg) + " expected no login, or another one", Next: "leave the --sasl flags out, or use the port of the broker's SASL listener"}
	case cfg.SASL == nil && isFirstReadEOF(err):
		return &problem.Error{What: "Kafka at " + at(cfg) + " closed the connection on the first request", Next: "look whether the broker is up; if it is it probably wants a login: add --sasl-mechanism and --sasl-username, and --tls if the listener is SASL_SSL"}
	case cfg.SASL != nil && errors.Is(err, io.EOF):
		return &problem.Error{What: "Kafka at " + at(cfg) + " closed the connection during the login", Next: "check the user's name and password, that this port is the SASL listener, and whether it wants --tls"}
	}
	return nil
}

func mechanismName(cfg Config) string {
	if cfg.SASL == nil {
		return "(none)"
	}
	return strings.ToUpper(cfg.SASL.Mechanism)
}

func userName(cfg Config) string {
	if cfg.SASL == nil {
		return "an anonymous client"
	}
	return cfg.SASL.Username
}

func explainTimeout(err error, cfg Config) *problem.Error {
	timeout, ok := errors.AsType[net.Error](err)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, kgo.ErrRecordTimeout) || (ok && timeout.Timeout()) {
		return &problem.Error{
			What: "Kafka at " + at(cfg) + " did not answer in time",
			Next: "check the broker's health and load, and the network up to it",
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return &problem.Error{What: "Kafka at " + at(cfg) + " closed the connection", Next: "look at the broker's log; it may be restarting"}
	}
	return nil
}
