package kube

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
)

type updates struct {
	mu  sync.Mutex
	all []engine.Update
}

func (u *updates) Report(update engine.Update) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = append(u.all, update)
}

func (u *updates) said(text string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, update := range u.all {
		if strings.Contains(update.Message, text) {
			return true
		}
	}
	return false
}

func answer(w http.ResponseWriter, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message})
}

func serve(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client, err := Open(Config{Host: server.URL, Token: func(context.Context) (string, error) { return "a-token", nil }})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestBusyIsAskedAgain(t *testing.T) {
	var asked atomic.Int32
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch asked.Add(1) {
		case 1:
			w.Header().Set("Retry-After", "1")
			answer(w, http.StatusTooManyRequests, "too many requests")
		case 2:
			w.Header().Set("Connection", "close") // a new one, on which net/http does not try again by itself
			answer(w, http.StatusInternalServerError, "etcdserver: leader changed")
		case 3:
			panic(http.ErrAbortHandler) // the connection is reset
		default:
			if r.Header.Get("Authorization") != "Bearer a-token" {
				t.Error("came without its token")
			}
			w.Write([]byte("{}"))
		}
	})
	told := &updates{}
	began := time.Now()
	if _, err := client.raw(reporting(t.Context(), told), "/version"); err != nil {
		t.Fatal(err)
	}
	if time.Since(began) < time.Second {
		t.Error("Retry-After was not waited for")
	}
	for _, text := range []string{"too many requests (429)", "etcdserver: leader changed (500)", "EOF"} {
		if !told.said(text) {
			t.Errorf("%q was not told: %+v", text, told.all)
		}
	}
}

func TestNeverWellAgain(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusServiceUnavailable, "apiserver is shutting down")
	})
	client.http.Transport.(*retrying).silently = 300 * time.Millisecond
	_, err := client.Nodes(t.Context())
	p := problem.From(err)
	if p == nil || !strings.Contains(err.Error(), "apiserver is shutting down") || p.Next == "" {
		t.Errorf("%v, next %q", err, p.Next)
	}
}

func TestWhatIsNotWorthAnother(t *testing.T) {
	var asked atomic.Int32
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		answer(w, http.StatusUnauthorized, "Unauthorized")
	})
	_, err := client.Nodes(t.Context())
	if p := problem.From(err); p == nil || !strings.Contains(p.Next, "access entry") || asked.Load() != 1 {
		t.Errorf("%v after %d", err, asked.Load())
	}
	own := &problem.Error{What: "the AWS credentials have expired", Next: "get new ones"}
	client, err = Open(Config{Host: "https://127.0.0.1:1", Token: func(context.Context) (string, error) { return "", own }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Nodes(t.Context()); problem.From(err) != own {
		t.Errorf("%v", err)
	}
	if _, err := Open(Config{Host: "nonsense"}); problem.From(err) == nil {
		t.Error("nonsense is an address")
	}
}

func TestCancelledWhileAskingAgain(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusServiceUnavailable, "no") })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := client.Nodes(ctx); err == nil || time.Since(began) > 2*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

// What the API server says of a secret may quote it.
func TestSecretsAreNotQuoted(t *testing.T) {
	const value = "hunter2"
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/v1":
			w.Write([]byte(`{"kind":"APIResourceList","resources":[{"name":"secrets","kind":"Secret","namespaced":true,"verbs":["get","patch"]}]}`))
		case r.Method == http.MethodGet:
			answer(w, http.StatusNotFound, "no")
		default:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnprocessableEntity)
			json.NewEncoder(w).Encode(map[string]any{
				"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 422, "reason": "Invalid", "message": "Invalid value: " + value,
			})
		}
	})
	secret := Secret{Namespace: "gamemetrics", Name: "redis", Data: map[string][]byte{"token": []byte(value)}}
	_, err := client.ApplySecret(t.Context(), "secrets", secret)
	if err == nil || strings.Contains(err.Error(), value) || !strings.Contains(err.Error(), "redis") {
		t.Errorf("%v", err)
	}
	for at := err; at != nil; at = errors.Unwrap(at) {
		if strings.Contains(at.Error(), value) {
			t.Errorf("quoted by %v", at)
		}
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "redis", "namespace": "gamemetrics"},
	}}
	if _, err := client.diffOne(t.Context(), "secrets", object); err == nil || strings.Contains(err.Error(), value) {
		t.Errorf("diff: %v", err)
	}
}
