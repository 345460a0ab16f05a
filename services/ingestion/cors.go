package ingestion

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// What browsers are told of the API. They keep it for two hours, as long as any of
// them does.
const (
	corsMaxAge  = "7200"
	corsExposed = "X-Request-Id, Retry-After, RateLimit, RateLimit-Policy"
)

// corsHeaders are the request headers that a web page may send.
var corsHeaders = strings.Join([]string{ //nolint:gochecknoglobals // never changed
	"Authorization", "Content-Type", "Content-Encoding", "Traceparent", eventapi.IdempotencyHeader,
	eventapi.KeyHeader, eventapi.RequestIDHeader, eventapi.SentAtHeader, eventapi.TestHeader, eventapi.TrafficHeader,
}, ", ")

// allowOrigin lets the web pages of the request's origin read the answer, if they
// may use the API. It reports whether the request is done: it was a preflight.
//
// Before the keys are read for the first time any page may, so that those of the keys'
// origins see that they are to come again. Browsers keep that for seconds only.
//
// Credentials are allowed because sendBeacon always asks for them. That gives
// nothing away: no cookie and no login of the browser means anything here.
func (s *Server) allowOrigin(w *responseWriter, r *http.Request, route route) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || route[http.MethodPost] == nil { // what is read is for no web page
		return false
	}
	header := w.Header()
	header.Add("Vary", "Origin")
	preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
	known := s.hasOrigin(origin)
	allowed := known || s.keys != nil && !s.keys.Read()
	if allowed {
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Allow-Credentials", "true")
		header.Set("Access-Control-Expose-Headers", corsExposed)
	}
	if !preflight {
		return false
	}
	if !allowed {
		w.fail(http.StatusForbidden, eventapi.Forbidden, fmt.Sprintf("web pages of %s may not use this API", shown(origin)))
		return true
	}
	header.Set("Access-Control-Allow-Methods", strings.Join(route.methods(), ", "))
	header.Set("Access-Control-Allow-Headers", corsHeaders)
	if known {
		header.Set("Access-Control-Max-Age", corsMaxAge)
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

// hasOrigin reports whether web pages of the origin may use the API at all: the
// deployment says so, or a key does. Which key they use is seen when they do.
func (s *Server) hasOrigin(origin string) bool {
	return slices.Contains(s.config.Origins, "*") || slices.Contains(s.config.Origins, origin) || s.keys != nil && s.keys.HasOrigin(origin)
}

// checkOrigin refuses a key on a web page that it is not for. Only browsers are
// held to it, and only they can be: others say what they like.
func (f *sender) checkOrigin(r *http.Request) error {
	origin := r.Header.Get("Origin")
	if f.key == nil || len(f.key.Origins) == 0 || origin == "" || slices.Contains(f.key.Origins, origin) {
		return nil
	}
	return &requestError{
		status: http.StatusForbidden, code: eventapi.Forbidden,
		message: fmt.Sprintf("the API key %s is not for web pages of %s", f.key.ID, shown(origin)),
	}
}
