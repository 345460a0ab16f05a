package ingestion

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"github.com/gamemetrics/gmctl/internal/tracing"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// route is the handlers of one path, by method.
type route map[string]http.HandlerFunc

// noRoute is how metrics call the paths that are not there.
const noRoute = "none"

// serve answers one request: it names and measures it, finds its handler, and
// answers for a handler that panics.
func (s *Server) serve(rw http.ResponseWriter, r *http.Request) {
	start := s.config.Now()
	w := &responseWriter{ResponseWriter: rw, requestID: requestID(r)}
	w.Header().Set(eventapi.RequestIDHeader, w.requestID)
	name := noRoute
	var span trace.Span // nil: the request is not traced
	s.metrics.inFlight.Inc()
	defer func() {
		cause := recover()
		if cause != nil && cause != http.ErrAbortHandler { //nolint:errorlint // net/http compares it so, too
			s.answerPanic(w, r, cause)
		}
		took := s.config.Now().Sub(start)
		s.metrics.inFlight.Dec()
		s.metrics.served(name, w.status, took)
		tracing.EndServed(span, w.status)
		s.logRequest(r, w, took)
		if cause == http.ErrAbortHandler { //nolint:errorlint // as above
			panic(cause) //nolint:forbidigo // net/http recovers it and ends the connection
		}
	}()

	route, pattern := s.route(r)
	if route == nil {
		w.fail(http.StatusNotFound, eventapi.NotFound, fmt.Sprintf("there is no %s here; %s describes the API", shown(r.URL.Path), eventapi.OpenAPIPath))
		return
	}
	name = pattern
	r, span = s.trace(r, pattern, w.requestID)
	if s.allowOrigin(w, r, route) {
		return
	}
	handler, ok := route.handler(r.Method)
	if !ok {
		allowed := strings.Join(route.methods(), ", ")
		w.Header().Set("Allow", allowed)
		w.fail(http.StatusMethodNotAllowed, eventapi.MethodNotAllowed, fmt.Sprintf("%s does not take %s, only %s", pattern, shown(r.Method), allowed))
		return
	}
	handler(w, r)
}

// route returns what answers the request's path, and how metrics call it; nil: there
// is no such path.
func (s *Server) route(r *http.Request) (_ route, pattern string) {
	if found, ok := s.routes[r.URL.Path]; ok {
		return found, r.URL.Path
	}
	pattern, name := patternOf(r.URL)
	r.SetPathValue(pathName, name)
	return s.named[pattern], pattern
}

func (s *Server) answerPanic(w *responseWriter, r *http.Request, cause any) {
	s.config.Log.Error("a request handler panicked", "path", r.URL.Path, "requestId", w.requestID, "panic", cause, "stack", string(debug.Stack()))
	if w.status == 0 {
		w.fail(http.StatusInternalServerError, eventapi.Internal, "the server failed; its log has the request id")
	}
}

func (s *Server) logRequest(r *http.Request, w *responseWriter, took time.Duration) {
	level := slog.LevelDebug
	if !s.config.Log.Enabled(context.Background(), level) {
		return
	}
	s.config.Log.Log(r.Context(), level, "request", "method", r.Method, "path", r.URL.Path, "status", w.status, "took", took.String(), "requestId", w.requestID)
}

// handler returns what answers the method; HEAD is answered as GET.
func (r route) handler(method string) (http.HandlerFunc, bool) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	handler, ok := r[method]
	return handler, ok
}

// methods returns the methods of the route, sorted.
func (r route) methods() []string {
	var methods []string
	for method := range r {
		methods = append(methods, method)
		if method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	slices.Sort(methods)
	return methods
}

// requestID returns the name that the client gave the request, if it is sane,
// or a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get(eventapi.RequestIDHeader); isName(id) {
		return id
	}
	return uuid.NewString()
}

// isName reports whether s is 1 to 128 letters, digits, '.', '_', ':' or '-'.
func isName(s string) bool {
	if len(s) == 0 || len(s) > 128 {
		return false
	}
	for _, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && !('0' <= c && c <= '9') && strings.IndexByte("._:-", c) < 0 {
			return false
		}
	}
	return true
}

// shown keeps what a client sent short enough to be repeated to it.
func shown(s string) string {
	const longest = 100
	if len(s) > longest {
		s = s[:longest] + "…"
	}
	return strings.ToValidUTF8(s, "�")
}
