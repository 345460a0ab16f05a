package ingestion

import (
	"context"
	_ "embed"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

const (
	readyTimeout = 2 * time.Second // bounds one check of all dependencies
	pingsAtOnce  = 1               // pingOnce
)

// OpenAPI is the description of the API, an OpenAPI 3.1 document in JSON.
//
//go:embed openapi.json
var openAPI []byte

// getHealth answers GET /health: whoever reads the answer knows that the
// process serves.
func (s *Server) getHealth(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, eventapi.State{Status: eventapi.StatusOK})
}

// getReady answers GET /ready with the state of each dependency.
func (s *Server) getReady(w http.ResponseWriter, r *http.Request) {
	state := eventapi.State{Status: eventapi.StatusOK, Dependencies: s.pingOnce(r.Context())}
	if backlog, ok := s.backlog.dependency(); ok {
		state.Dependencies = append(state.Dependencies, backlog)
	}
	if s.stopping.Load() {
		state.Dependencies = append(state.Dependencies, eventapi.Dependency{
			Name: "ingestion", Status: eventapi.StatusUnavailable, Reason: "it is shutting down",
		})
	}
	status := http.StatusOK
	for _, dependency := range state.Dependencies {
		switch dependency.Status {
		case eventapi.StatusUnavailable:
			state.Status, status = eventapi.StatusUnavailable, http.StatusServiceUnavailable
		case eventapi.StatusWarning:
			if status == http.StatusOK {
				state.Status = eventapi.StatusWarning
			}
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, status, state)
}

// pingOnce returns what ping finds, for all who ask while it does: who asks often must not
// take the database from the events that come in.
func (s *Server) pingOnce(ctx context.Context) []eventapi.Dependency {
	found, _, _ := s.pinging.Do("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout) // others wait for it too
		defer cancel()
		return s.ping(ctx), nil
	})
	return slices.Clone(found.([]eventapi.Dependency))
}

// ping checks all dependencies at the same time.
func (s *Server) ping(ctx context.Context) []eventapi.Dependency {
	all := append([]Dependency{{Name: s.config.StoreName, Ping: s.pingStore}}, s.config.Dependencies...)
	found := make([]eventapi.Dependency, len(all))
	var checks sync.WaitGroup
	for i, dependency := range all {
		checks.Go(func() {
			found[i] = eventapi.Dependency{Name: dependency.Name, Status: eventapi.StatusOK}
			if err := dependency.Ping(ctx); err != nil {
				found[i].Status, found[i].Reason = eventapi.StatusUnavailable, err.Error()
			}
		})
	}
	checks.Wait()
	return found
}

// pingStore returns why the store cannot take events: it says so itself, or has
// just refused some.
func (s *Server) pingStore(ctx context.Context) error {
	if err := s.config.Store.Ping(ctx); err != nil {
		return err
	}
	return s.Trouble()
}

// getOpenAPI answers GET /openapi.json.
func (s *Server) getOpenAPI(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", eventapi.JSON)
	_, _ = w.Write(openAPI)
}
