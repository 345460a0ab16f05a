package ingestion_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// Told to stop under load, the server answers what is in flight, and every
// event that it answered with success is stored.
func TestRunStopsGracefully(t *testing.T) {
	store := &memory{delay: 20 * time.Millisecond}
	server, err := ingestion.New(ingestion.Config{Store: store, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stopped := make(chan error, 1)
	go func() { stopped <- server.Run(ctx, listener) }()

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer client.CloseIdleConnections()
	var answered sync.Map // ids of events that were answered 201
	var count, halfway atomic.Int32
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() {
			for {
				response, err := client.Post("http://"+listener.Addr().String()+eventapi.EventsPath, eventapi.JSON, strings.NewReader(noID))
				if err != nil {
					return // the server is gone
				}
				var accepted eventapi.Accepted
				err = json.NewDecoder(response.Body).Decode(&accepted)
				response.Body.Close()
				if err != nil {
					t.Errorf("an answer was cut off: %v", err)
				}
				if response.StatusCode != http.StatusCreated {
					t.Errorf("a request in flight was answered %d", response.StatusCode)
					return
				}
				answered.Store(accepted.EventID, true)
				if count.Add(1) == 100 {
					halfway.Store(1)
					stop()
				}
			}
		})
	}
	clients.Wait()
	select {
	case err := <-stopped:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Run did not return")
	}
	if halfway.Load() == 0 {
		t.Fatal("the load ended before the server was told to stop")
	}
	for path, body := range map[string]string{eventapi.EventsPath: noID, eventapi.ReadyPath: ""} {
		method := http.MethodPost
		if body == "" {
			method = http.MethodGet
		}
		late := httptest.NewRequest(method, path, strings.NewReader(body))
		late.Header.Set("Content-Type", eventapi.JSON)
		answer := httptest.NewRecorder()
		server.Handler().ServeHTTP(answer, late)
		if answer.Code != http.StatusServiceUnavailable {
			t.Errorf("after Run %s answers %d %s", path, answer.Code, answer.Body)
		}
	}
	stored := map[string]bool{}
	for _, r := range store.stored() {
		stored[r.EventID.String()] = true
	}
	for id := range answered.Range {
		if !stored[id.(string)] {
			t.Errorf("the event %s was answered 201 and is not stored", id)
		}
	}
}

// The grace bounds a stop, even when the store hangs.
func TestRunEndsWithinTheGrace(t *testing.T) {
	server, err := ingestion.New(ingestion.Config{
		Store: &memory{delay: time.Minute}, Now: func() time.Time { return now },
		Deadline: time.Minute, ShutdownGrace: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- server.Run(ctx, listener) }()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		response, err := http.Post("http://"+listener.Addr().String()+eventapi.EventsPath, eventapi.JSON, strings.NewReader(noID))
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusCreated {
				t.Error("an event that is not stored was answered 201")
			}
		}
	}()
	time.Sleep(50 * time.Millisecond)
	stop()
	select {
	case <-stopped:
	case <-time.After(5 * time.Second):
		t.Fatal("Run did not return")
	}
	<-gone
}

func TestRunSaysWhyItCannotServe(t *testing.T) {
	server, err := ingestion.New(ingestion.Config{Store: &memory{}})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if err := server.Run(t.Context(), listener); err == nil || !strings.Contains(err.Error(), listener.Addr().String()) {
		t.Errorf("Run over a closed listener: %v", err)
	}
}

// A store whose disk is full answers a ping, and takes no event: the service is
// not ready then, until a write succeeds or none has failed for a while.
func TestReadyKnowsOfWritesThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		server, err := ingestion.New(ingestion.Config{Store: store, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close(t.Context())
		post := func(want int) {
			t.Helper()
			request := httptest.NewRequest(http.MethodPost, eventapi.EventsPath, strings.NewReader(noID))
			request.Header.Set("Content-Type", eventapi.JSON)
			answer := httptest.NewRecorder()
			if server.Handler().ServeHTTP(answer, request); answer.Code != want {
				t.Errorf("the event is answered %d %s", answer.Code, answer.Body)
			}
		}
		ready := func(when string, want int, why string) {
			t.Helper()
			answer := httptest.NewRecorder()
			server.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, eventapi.ReadyPath, nil))
			if answer.Code != want || !strings.Contains(answer.Body.String(), why) {
				t.Errorf("%s ready is %d %s", when, answer.Code, answer.Body)
			}
		}
		ready("at first", 200, "ok")
		store.fill(errors.New("no disk space left"))
		ready("before an event comes", 200, "ok")
		post(503)
		ready("when it was refused", 503, "no disk space left")
		store.fill(nil)
		post(201)
		ready("when one is stored again", 200, "ok")

		store.fill(errors.New("no disk space left"))
		post(503)
		time.Sleep(time.Minute)
		ready("when none has come for long", 200, "ok")
	})
}
