package tlsfile_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/testenv/certificate"
	"github.com/gamemetrics/gmctl/internal/tlsfile"
)

func TestPairFollowsItsFiles(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	var log bytes.Buffer
	now := time.Now()
	load := func() (*tlsfile.Pair, error) {
		return tlsfile.Load(certFile, keyFile, func() time.Time { return now }, slog.New(slog.NewTextHandler(&log, nil)))
	}
	if _, err := load(); err == nil || problem.From(err).Kind != problem.Usage || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without files: %v", err)
	}
	certificate.Write(t, certFile, keyFile, "first")
	pair, err := load()
	if err != nil {
		t.Fatal(err)
	}
	is := func(want string) {
		t.Helper()
		got, err := pair.Config().GetCertificate(&tls.ClientHelloInfo{})
		if err != nil || got.Leaf.Subject.CommonName != want {
			t.Errorf("the certificate is that of %v, %v; want %s", got.Leaf.Subject, err, want)
		}
	}
	is("first")
	certificate.Write(t, certFile, keyFile, "a longer second")
	is("first") // it was looked at just now
	now = now.Add(time.Second)
	is("a longer second")
	if err := os.WriteFile(certFile, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		now = now.Add(time.Second)
		is("a longer second")
	}
	if strings.Count(log.String(), "cannot be read") != 1 {
		t.Errorf("the log is %s", log.String())
	}
	certificate.Write(t, certFile, keyFile, "the third of them")
	now = now.Add(time.Second)
	is("the third of them")
}
