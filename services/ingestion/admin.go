package ingestion

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/profiles"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// AdminHandler returns what is for those who run the service, and not for its
// clients: metrics, health, and the profiles of Go.
func (s *Server) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+eventapi.MetricsPath, s.metrics.handler)
	mux.HandleFunc("GET "+eventapi.HealthPath, s.getHealth)
	mux.HandleFunc("GET "+eventapi.ReadyPath, s.getReady)
	profiles.Handle(mux)
	return mux
}

// RunAdmin serves AdminHandler on the listener until ctx ends. It closes the
// listener.
func (s *Server) RunAdmin(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: s.AdminHandler(), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(s.config.Log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(grace) != nil { // a profile takes its time
			_ = server.Close()
		}
	})
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return &problem.Error{What: "metrics and profiles are not served any more on " + listener.Addr().String(), Cause: err}
	}
	return nil
}
