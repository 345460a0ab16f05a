package ingestion_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gamemetrics/gmctl/services/ingestion"
)

// Profiles are served on the admin's address alone, and metrics too where there is
// one.
func TestAdmin(t *testing.T) {
	server, err := ingestion.New(ingestion.Config{Store: &memory{}, AdminApart: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	addresses := make([]string, 2)
	ended := make(chan error, 2)
	for i, run := range []func(context.Context, net.Listener) error{server.Run, server.RunAdmin} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addresses[i] = listener.Addr().String()
		go func() { ended <- run(ctx, listener) }()
	}
	for path, want := range map[string][2]int{
		"/metrics": {404, 200}, "/debug/pprof/": {404, 200}, "/debug/pprof/heap": {404, 200}, "/debug/pprof/cmdline": {404, 200},
		"/ready": {200, 200}, "/health": {200, 200}, "/api/v1/events": {405, 404},
	} {
		for i, address := range addresses {
			response, err := http.Get("http://" + address + path)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			if response.StatusCode != want[i] {
				t.Errorf("%s of address %d is answered %d %.100s, want %d", path, i, response.StatusCode, body, want[i])
			}
			if path == "/metrics" && i == 1 && !strings.Contains(string(body), "gamemetrics_ingestion_queued_events") {
				t.Errorf("the metrics are %.200s", body)
			}
		}
	}
	stop()
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
