// Package certificate makes the certificates of servers and clients that tests run:
// such as sign themselves, and such as an authority signs.
package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"testing"
	"time"
)

// Pair is a certificate and its key, in PEM.
type Pair struct{ Certificate, Key []byte }

// Subject is whom a certificate is for.
type Subject struct {
	Name      string   // the common name, which tells it from others
	Groups    []string // the organizations
	DNSNames  []string
	Addresses []net.IP
}

// life is how long a certificate is valid: longer than any test runs.
const life = 7 * 24 * time.Hour

func (s Subject) draft(serial int64) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: s.Name, Organization: s.Groups},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
		DNSNames: s.DNSNames, IPAddresses: s.Addresses,
	}
}

// SelfSigned returns a certificate that signs itself, so that whoever trusts it needs
// no other.
func SelfSigned(subject Subject) (Pair, error) {
	key, err := newKey()
	if err != nil {
		return Pair{}, err
	}
	draft := subject.draft(time.Now().UnixNano())
	draft.IsCA, draft.BasicConstraintsValid = true, true
	der, err := x509.CreateCertificate(rand.Reader, draft, draft, key.Public(), key)
	if err != nil {
		return Pair{}, err
	}
	return pair(der, key)
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func pair(der []byte, key *ecdsa.PrivateKey) (Pair, error) {
	private, err := x509.MarshalPKCS8PrivateKey(key)
	return Pair{Certificate: encode("CERTIFICATE", der), Key: encode("PRIVATE KEY", private)}, err
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// WriteFiles writes both halves, readable for the owner alone.
func (p Pair) WriteFiles(certificate, key string) error {
	if err := os.WriteFile(certificate, p.Certificate, 0o600); err != nil {
		return err
	}
	return os.WriteFile(key, p.Key, 0o600)
}

// Write writes a certificate of loopback that signs itself, and its key.
func Write(t testing.TB, certFile, keyFile, name string) {
	t.Helper()
	made, err := SelfSigned(Subject{Name: name, Addresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err == nil {
		err = made.WriteFiles(certFile, keyFile)
	}
	if err != nil {
		t.Fatal(err)
	}
}
