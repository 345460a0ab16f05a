package ingestion_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gamemetrics/gmctl/internal/testenv/certificate"
	"github.com/gamemetrics/gmctl/internal/testenv/serve"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// Over TLS the service takes events, with the certificate that the files have now.
func TestServeTLS(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	certificate.Write(t, certFile, keyFile, "first")
	s := command.Start(t, "--migrate", "--database-url", pg.Database(t), "--tls-cert", certFile, "--tls-key", keyFile)

	// send returns the status of an event, and whose certificate the service showed.
	send := func() (status int, name string) {
		t.Helper()
		trusted, err := os.ReadFile(certFile)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(trusted)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
		response, err := client.Post("https://"+s.Address+eventapi.EventsPath, eventapi.JSON, strings.NewReader(event("p1", "null")))
		if err != nil {
			return 0, err.Error()
		}
		defer response.Body.Close()
		return response.StatusCode, response.TLS.PeerCertificates[0].Subject.CommonName
	}
	served := func(want string) func() bool {
		return func() bool {
			status, name := send()
			return status == 201 && name == want
		}
	}
	serve.Eventually(t, "an event is stored", served("first"))
	certificate.Write(t, certFile, keyFile, "second")
	serve.Eventually(t, "the new certificate is shown", served("second"))

	old := &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, InsecureSkipVerify: true}
	if conn, err := tls.Dial("tcp", s.Address, old); err == nil {
		conn.Close()
		t.Error("TLS 1.1 is taken")
	}
	if status, _ := s.Get(t, "/health"); status != 400 {
		t.Errorf("plain HTTP is answered %d", status)
	}
}
