package local

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gamemetrics/gmctl/internal/engine"
)

// supervised is the control API of a supervisor whose components serve at once.
func supervised(t *testing.T) (s *Supervisor, shutdown <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s = &Supervisor{runners: map[string]*runner{}, life: context.WithoutCancel(t.Context()), shutdown: cancel}
	s.record = record{PID: 7, Token: "secret", Boot: "boot", SpecHash: "hash"}
	for _, name := range stopOrder() {
		c := &counting{scripted{attempt: func(_ int, ctx context.Context, say announcer) error { return serves(ctx, say) }}}
		s.runners[name] = newRunner(name, c, slog.New(slog.DiscardHandler))
	}
	t.Cleanup(func() {
		if err := s.stopAll(); err != nil {
			t.Error(err)
		}
	})
	return s, ctx.Done()
}

func call(s *Supervisor, method, path, authorization string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, nil)
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	answer := httptest.NewRecorder()
	s.handler().ServeHTTP(answer, request)
	return answer
}

func TestControlNeedsTheToken(t *testing.T) {
	s, shutdown := supervised(t)
	for _, authorization := range []string{"", "secret", "Bearer", "Bearer ", "Bearer secre", "Bearer secrets", "bearer secret", "Basic secret"} {
		for _, c := range []struct{ method, path string }{
			{http.MethodGet, "/v1/status"},
			{http.MethodPost, "/v1/components/kafka/start"},
			{http.MethodPost, "/v1/shutdown"},
			{http.MethodGet, "/nothing"},
		} {
			if got := call(s, c.method, c.path, authorization); got.Code != http.StatusUnauthorized || strings.Contains(got.Body.String(), "secret") {
				t.Errorf("%s %s as %q was answered %d %s", c.method, c.path, authorization, got.Code, got.Body)
			}
		}
	}
	select {
	case <-shutdown:
		t.Error("it was shut down by a stranger")
	default:
	}
	if status := s.runners[Kafka].snapshot(t.Context(), false); status.State != engine.StateAbsent {
		t.Errorf("a stranger started Kafka: %+v", status)
	}
}

func TestControl(t *testing.T) {
	s, shutdown := supervised(t)
	const token = "Bearer secret"
	for _, c := range []struct {
		method, path string
		code         int
	}{
		{http.MethodPost, "/v1/components/zookeeper/start", http.StatusNotFound},
		{http.MethodPost, "/v1/components/zookeeper/stop", http.StatusNotFound},
		{http.MethodPost, "/v1/components/kafka/restart", http.StatusNotFound},
		{http.MethodGet, "/v1/components/kafka/start", http.StatusMethodNotAllowed},
		{http.MethodGet, "/v1/shutdown", http.StatusMethodNotAllowed},
		{http.MethodGet, "/", http.StatusNotFound},
		{http.MethodPost, "/v1/components/kafka/start", http.StatusNoContent},
		{http.MethodPost, "/v1/components/kafka/start", http.StatusNoContent},
		{http.MethodPost, "/v1/components/relay/start", http.StatusNoContent},
		{http.MethodPost, "/v1/components/relay/stop", http.StatusNoContent},
		{http.MethodPost, "/v1/components/ingestion/stop", http.StatusNoContent},
	} {
		if got := call(s, c.method, c.path, token); got.Code != c.code {
			t.Errorf("%s %s was answered %d %s, want %d", c.method, c.path, got.Code, got.Body, c.code)
		}
	}
	awaitState(t, s.runners[Kafka], engine.StateReady)

	for query, figures := range map[string]int{"": 0, "?figures=1": 1} {
		var got report
		if err := json.Unmarshal(call(s, http.MethodGet, "/v1/status"+query, token).Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got.PID != 7 || got.Boot != "boot" || got.SpecHash != "hash" || len(got.Components) != 4 {
			t.Errorf("the status is %+v", got)
		}
		states := map[string]engine.State{}
		for _, c := range got.Components {
			states[c.Name] = c.State
			if c.Name == Kafka && len(c.Figures) != figures {
				t.Errorf("asked with %q, its figures are %v", query, c.Figures)
			}
		}
		if states[Kafka] != engine.StateReady || states[Relay] != engine.StateAbsent || states[Ingestion] != engine.StateAbsent {
			t.Errorf("the states are %v", states)
		}
	}

	if got := call(s, http.MethodPost, "/v1/shutdown", token); got.Code != http.StatusAccepted {
		t.Errorf("the shutdown was answered %d %s", got.Code, got.Body)
	}
	<-shutdown
}
