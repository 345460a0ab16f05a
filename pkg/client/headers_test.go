package client_test

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gamemetrics/gmctl/pkg/client"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// answering is a service that is nothing but a function: no connections, so that
// a test can hold the clock.
type answering func(*http.Request) *http.Response

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return f(r), nil
}

func answered(status int, header http.Header) *http.Response {
	w := httptest.NewRecorder()
	maps.Copy(w.Header(), header)
	w.WriteHeader(status)
	return w.Result()
}

// accepted is the answer to an event that is stored.
func accepted(r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	var e event.Event
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		panic(err)
	}
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(eventapi.Accepted{EventID: e.EventID.String()})
	return w.Result()
}

func offline(t *testing.T, service answering, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New("http://offline", append([]client.Option{client.WithHTTPClient(&http.Client{Transport: service})}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts []http.Header
		type traceKey struct{}
		c := offline(t, func(r *http.Request) *http.Response {
			attempts = append(attempts, r.Header)
			if len(attempts) == 1 {
				return answered(http.StatusServiceUnavailable, http.Header{"Retry-After": {"2"}})
			}
			return accepted(r)
		}, client.WithAPIKey("gmk_1"), client.WithUserAgent("pirates/1.2"), client.WithTraceparent(func(ctx context.Context) string {
			trace, _ := ctx.Value(traceKey{}).(string)
			return trace
		}))
		began := time.Now()
		const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		if _, err := c.Send(context.WithValue(t.Context(), traceKey{}, trace), login("p")); err != nil {
			t.Fatal(err)
		}
		for i, header := range attempts {
			for name, want := range map[string]string{"Authorization": "Bearer gmk_1", "User-Agent": "pirates/1.2", "Traceparent": trace, "Content-Type": eventapi.JSON} {
				if got := header.Get(name); got != want {
					t.Errorf("attempt %d: %s is %q, not %q", i+1, name, got, want)
				}
			}
		}
		first, err1 := time.Parse(time.RFC3339, attempts[0].Get("Sent-At"))
		second, err2 := time.Parse(time.RFC3339, attempts[1].Get("Sent-At"))
		if err1 != nil || err2 != nil || !first.Equal(began) || second.Sub(first) < 2*time.Second {
			t.Errorf("sent at %s and %s, begun at %s: %v, %v", first, second, began, err1, err2)
		}
		if _, err := c.Send(t.Context(), login("p")); err != nil || attempts[2].Get("Traceparent") != "" {
			t.Errorf("without a trace: %q, %v", attempts[2].Get("Traceparent"), err)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for name, value := range map[string]func(began time.Time) string{
		"seconds": func(time.Time) string { return "7" },
		"a date":  func(began time.Time) string { return began.Add(7 * time.Second).UTC().Format(http.TimeFormat) },
	} {
		synctest.Test(t, func(t *testing.T) {
			began, attempts := time.Now(), 0
			c := offline(t, func(r *http.Request) *http.Response {
				if attempts++; attempts == 1 {
					return answered(http.StatusTooManyRequests, http.Header{"Retry-After": {value(began)}})
				}
				return accepted(r)
			})
			_, err := c.Send(t.Context(), login("p"))
			if took := time.Since(began); err != nil || took < 7*time.Second || took > 9*time.Second {
				t.Errorf("%s: asked to come back in 7 s, it did so after %s: %v", name, took, err)
			}
		})
	}
}

// What a Retry leaves out is as in the default: the service is not sent to without a
// wait, and it is waited for as long as it asks.
func TestARetryWithoutWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		c := offline(t, func(*http.Request) *http.Response {
			if attempts++; attempts == 1 {
				return answered(http.StatusServiceUnavailable, http.Header{"Retry-After": {"7"}})
			}
			return answered(http.StatusServiceUnavailable, nil)
		}, client.WithRetry(client.Retry{Attempts: 20}))
		began := time.Now()
		_, err := c.Send(t.Context(), login("p"))
		if took := time.Since(began); err == nil || attempts != 20 || took < 8*time.Second {
			t.Errorf("%d attempts in %s, asked to wait 7 s: %v", attempts, took, err)
		}
	})
}

// However long the waits and those that the service asks for: there is one.
func TestLongWaits(t *testing.T) {
	const ages = math.MaxInt64
	for _, retry := range []client.Retry{{Attempts: 70, First: 20 * time.Second, Longest: 10000 * time.Hour}, {Attempts: 70, First: ages, Longest: ages}, {Attempts: 70, First: ages}} {
		for _, asked := range []string{"", "9300000000", "9223372036854775807"} {
			synctest.Test(t, func(t *testing.T) {
				c := offline(t, func(*http.Request) *http.Response {
					return answered(http.StatusServiceUnavailable, http.Header{"Retry-After": {asked}})
				}, client.WithRetry(retry))
				ctx, cancel := context.WithTimeout(t.Context(), 1000*time.Hour)
				defer cancel()
				began := time.Now()
				if _, err := c.Send(ctx, login("p")); err == nil || time.Since(began) < time.Second {
					t.Errorf("%+v, asked for %s: %v after %s", retry, asked, err, time.Since(began))
				}
			})
		}
	}
}

// What is no JSON must not spoil the events around it.
func TestMetadataThatIsNoJSON(t *testing.T) {
	s, server := serve(t, nil)
	c := dial(t, server.URL)
	for _, metadata := range []string{`{"a":1`, `{"a":1}]`, `nonsense`, `{} {}`} {
		bad := login("p")
		bad.Metadata = json.RawMessage(metadata)
		if _, err := c.Send(t.Context(), bad); err == nil {
			t.Errorf("%s was sent", metadata)
		}
		if _, err := c.SendBatch(t.Context(), []event.Event{login("p"), bad}); err == nil {
			t.Errorf("%s was sent in a batch", metadata)
		}
	}
	spread := login("p")
	spread.Metadata = json.RawMessage("{\n  \"a\": 1\n}")
	id, err := c.Send(t.Context(), spread)
	if err != nil || string(s.records[id].Metadata) != `{"a":1}` || s.count() != 1 {
		t.Errorf("metadata on several lines: %v, stored %v", err, s.records)
	}
}
