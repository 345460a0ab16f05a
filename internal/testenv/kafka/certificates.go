package kafka

import (
	"bytes"
	"net"
	"os"
	"path/filepath"

	"github.com/gamemetrics/gmctl/internal/testenv/certificate"
)

// The PEM files of a cluster with a TLS listener, in its directory.
const (
	caFile     = "ca.pem"     // the private CA's certificate
	serverFile = "server.pem" // key and certificate of every broker
)

// writeCertificates makes a CA and a certificate for 127.0.0.1, localhost and the names.
func writeCertificates(dir string, names []string) error {
	ca, err := certificate.NewAuthority("gmctl test CA")
	if err != nil {
		return err
	}
	server, err := ca.Issue(certificate.Subject{
		Name: "localhost", DNSNames: append([]string{"localhost"}, names...), Addresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, caFile), ca.PEM, 0o644); err != nil {
		return err
	}
	chain := bytes.Join([][]byte{server.Key, server.Certificate, ca.PEM}, nil)
	return os.WriteFile(filepath.Join(dir, serverFile), chain, 0o600)
}
