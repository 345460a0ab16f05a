package ingestion

import (
	"context"
	"log/slog"
	"net"

	"github.com/gamemetrics/gmctl/internal/cli/serve/service"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// adminListener listens on the address for those who run the service; nil: there is
// none.
func (o *Options) adminListener(ctx context.Context) (net.Listener, error) {
	if o.Admin == "" {
		return nil, nil
	}
	return service.Listen(ctx, "admin-listen", o.Admin)
}

// administer serves them until ctx ends.
func administer(ctx context.Context, service *ingestion.Server, listener net.Listener, log *slog.Logger) {
	log.Info("metrics and profiles are served", "admin", listener.Addr().String())
	if err := service.RunAdmin(ctx, listener); err != nil {
		log.Error("events are taken, and nobody can look at the service any more", "error", err)
	}
}
