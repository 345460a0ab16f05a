package ingestion_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/gamemetrics/gmctl/internal/testenv/serve"
)

// With an admin's address metrics and profiles are there, and nowhere else.
func TestServeAdmin(t *testing.T) {
	s := command.Start(t, "--admin-listen", "127.0.0.1:0", "--database-url", "postgres://127.0.0.1:1/x")
	var admin string
	serve.Eventually(t, "the admin's address is told", func() bool {
		found := regexp.MustCompile(`admin=(\S+)`).FindStringSubmatch(s.Log())
		if found != nil {
			admin = found[1]
		}
		return found != nil
	})
	for path, want := range map[string][2]int{"/metrics": {404, 200}, "/debug/pprof/heap": {404, 200}, "/health": {200, 200}, "/ready": {503, 503}} {
		public, _ := s.Get(t, path)
		response, err := http.Get("http://" + admin + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if public != want[0] || response.StatusCode != want[1] {
			t.Errorf("%s is answered %d, and %d on the admin's address; want %v", path, public, response.StatusCode, want)
		}
	}
	err := command.Run(t.Context(), t.Output(), "--listen", "127.0.0.1:0", "--admin-listen", admin, "--database-url", "postgres://127.0.0.1:1/x")
	if err == nil || !strings.Contains(err.Error(), "another process listens on "+admin) {
		t.Errorf("a taken address: %v", err)
	}
	if err := s.Stop(t); err != nil || strings.Contains(s.Log(), "ERROR") {
		t.Errorf("it ended with %v; its log is %s", err, s.Log())
	}
}
