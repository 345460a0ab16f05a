//go:build unix

package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"

	"github.com/gamemetrics/gmctl/internal/testenv/certificate"
)

// issue signs a certificate for a client of that name and groups that may serve
// on the loopback interface too.
func issue(ca *certificate.Authority, name string, groups ...string) (certificate.Pair, error) {
	return ca.Issue(certificate.Subject{
		Name: name, Groups: groups,
		DNSNames:  []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		Addresses: []net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP(apiServiceIP)},
	})
}

// writeServiceAccountKey makes the key that signs the tokens of service
// accounts.
func writeServiceAccountKey(path string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600)
}
