package ingestion

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/gamemetrics/gmctl/internal/tlsfile"
)

// listener listens on the service's address, with TLS where there is a certificate.
func (o *Options) listener(ctx context.Context, log *slog.Logger) (net.Listener, error) {
	if o.TLSCert == "" {
		return o.Listener(ctx)
	}
	pair, err := tlsfile.Load(o.TLSCert, o.TLSKey, time.Now, log)
	if err != nil {
		return nil, err
	}
	plain, err := o.Listener(ctx)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(plain, pair.Config()), nil
}
