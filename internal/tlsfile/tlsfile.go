// Package tlsfile keeps the certificate of a server as its files are: who renews
// it need not restart the server.
package tlsfile

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// lookEvery is how often the files are looked at, while connections come.
const lookEvery = time.Second

// Pair is a certificate and its key, in PEM files.
type Pair struct {
	certFile, keyFile string
	now               func() time.Time
	log               *slog.Logger

	mu       sync.Mutex
	current  *tls.Certificate
	stamp    string // of the files that it was read from
	lookedAt time.Time
	failure  string // of the last look; it is told once
}

// Load reads the pair. Its error is a *problem.Error of kind Usage.
func Load(certFile, keyFile string, now func() time.Time, log *slog.Logger) (*Pair, error) {
	p := &Pair{certFile: certFile, keyFile: keyFile, now: now, log: log, lookedAt: now()}
	stamp, err := p.look()
	if err == nil {
		err = p.read(stamp)
	}
	if err != nil {
		return nil, &problem.Error{
			What: "the TLS certificate cannot be read", Cause: err,
			Next: "check the PEM files: certificate " + certFile + ", key " + keyFile, Kind: problem.Usage,
		}
	}
	return p, nil
}

// Config returns an HTTP server's TLS settings, whose certificate is the present one.
func (p *Pair) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: p.certificate}
}

// certificate returns the pair as the files are. While they cannot be read (they
// are written one after the other) it is as before.
func (p *Pair) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.now(); now.Sub(p.lookedAt) >= lookEvery {
		p.lookedAt = now
		p.refresh()
	}
	return p.current, nil
}

func (p *Pair) refresh() {
	stamp, err := p.look()
	if err == nil && stamp == p.stamp {
		p.failure = ""
		return
	}
	if err == nil {
		err = p.read(stamp)
	}
	if err != nil {
		if p.failure != err.Error() {
			p.log.Warn("the TLS certificate was changed and cannot be read: the one before stays", "error", err)
		}
		p.failure = err.Error()
		return
	}
	p.failure = ""
	p.log.Info("the TLS certificate was read anew", "file", p.certFile)
}

func (p *Pair) read(stamp string) error {
	pair, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		return err
	}
	p.current, p.stamp = &pair, stamp
	return nil
}

// look tells one state of the files from another.
func (p *Pair) look() (stamp string, err error) {
	for _, file := range []string{p.certFile, p.keyFile} {
		info, err := os.Stat(file)
		if err != nil {
			return "", err
		}
		stamp += fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), ";")
	}
	return stamp, nil
}
