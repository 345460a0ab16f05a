package local

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

func TestAKeptPortOutlivesItsServers(t *testing.T) {
	saved := map[string]int{}
	k := &keptPort{name: Ingestion, ports: &ports{
		wanted: map[string]int{Ingestion: freePorts(t)},
		save:   func(taken map[string]int) error { saved = taken; return nil },
		last:   map[string]int{},
	}}
	t.Cleanup(k.release)
	serve := func(answer string) (address string, stop func()) {
		listener, err := k.lend()
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })}
		done := make(chan error, 1)
		go func() { done <- server.Serve(listener) }()
		return listener.Addr().String(), func() {
			if err := server.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if err := <-done; err != http.ErrServerClosed { //nolint:errorlint // Serve returns it as it is
				t.Errorf("Serve ended with %v", err)
			}
		}
	}
	get := func(address string) string {
		client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Get("http://" + address)
		if err != nil {
			return err.Error()
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return string(body)
	}

	address, stop := serve("first")
	if got := get(address); got != "first" {
		t.Errorf("the first server answered %q", got)
	}
	stop()
	if other, err := net.Listen("tcp", address); err == nil {
		other.Close()
		t.Error("another program could take the port between two servers")
	}
	waited := make(chan string, 1)
	go func() { waited <- get(address) }()
	time.Sleep(50 * time.Millisecond) // the client connects while no one serves
	again, stop := serve("second")
	if again != address {
		t.Errorf("the second server is at %s, the first was at %s", again, address)
	}
	if got := <-waited; got != "second" {
		t.Errorf("who connected between two servers got %q", got)
	}
	stop()
	k.release()
	other, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("a port that is given up cannot be taken: %v", err)
	}
	other.Close()
	if _, port, _ := net.SplitHostPort(address); len(saved) != 1 || port == "" {
		t.Errorf("noted ports: %v", saved)
	}
}
