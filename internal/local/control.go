package local

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"time"
)

// report is the answer to GET /v1/status.
type report struct {
	PID        int       `json:"pid"`
	Boot       string    `json:"boot"`
	SpecHash   string    `json:"specHash"`
	Since      time.Time `json:"since"`
	Components []Status  `json:"components"`
}

// handler is the control API: GET /v1/status[?figures=1], POST
// /v1/components/{name}/start and …/stop, POST /v1/shutdown. Every request
// carries the record's token.
func (s *Supervisor) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		answer := report{PID: s.record.PID, Boot: s.record.Boot, SpecHash: s.record.SpecHash, Since: s.record.Since}
		for _, name := range []string{Postgres, Kafka, Ingestion, Relay} {
			answer.Components = append(answer.Components, s.runners[name].snapshot(r.Context(), r.FormValue("figures") != ""))
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	})
	mux.HandleFunc("POST /v1/components/{name}/{verb}", func(w http.ResponseWriter, r *http.Request) {
		runner, ok := s.runners[r.PathValue("name")]
		if !ok {
			http.Error(w, "no such component", http.StatusNotFound)
			return
		}
		switch r.PathValue("verb") {
		case "start":
			runner.start(s.life)
		case "stop":
			if err := runner.stop(r.Context()); err != nil {
				http.Error(w, err.Error(), http.StatusGatewayTimeout)
				return
			}
		default:
			http.Error(w, "start or stop", http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /v1/shutdown", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		s.shutdown()
	})
	want := []byte("Bearer " + s.record.Token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			http.Error(w, "the token of supervisor.json is required", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
}
