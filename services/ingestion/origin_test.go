package ingestion_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

func testOrigins(t *testing.T, c *contract) {
	k := &keys{}
	web := k.add(apikey.Key{Game: "web", Settings: apikey.Settings{Origins: []string{"https://play.example"}}})
	any := k.add(apikey.Key{Game: "any"})
	a := guarded(t, c, k, func(config *ingestion.Config) { config.Origins = []string{"https://site.example"} })
	for _, test := range []struct {
		name, origin, key  string
		preflight, refused bool // what the two answers are
	}{
		{"the key's origin", "https://play.example", web, true, false},
		{"another origin", "https://evil.example", web, false, true},
		{"the deployment's, and not the key's", "https://site.example", web, true, true},
		{"the deployment's", "https://site.example", any, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			ask := map[string]string{
				"Origin": test.origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type",
			}
			a.send(t, "OPTIONS", batch, "", ask)
			got := a.send(t, "OPTIONS", single, "", ask)
			allowed := got.header.Get("Access-Control-Allow-Origin")
			if test.preflight != (got.status == 204 && allowed == test.origin && got.header.Get("Access-Control-Allow-Methods") == "POST" &&
				strings.Contains(got.header.Get("Access-Control-Allow-Headers"), "Authorization") && got.header.Get("Access-Control-Allow-Credentials") == "true") {
				t.Errorf("the preflight is answered %d with %v", got.status, got.header)
			}
			if !test.preflight && (got.status != 403 || got.failure(t).Error.Code != eventapi.Forbidden || allowed != "") {
				t.Errorf("the preflight is answered %d %s", got.status, got.body)
			}
			header := bearer(test.key)
			header["Origin"] = test.origin
			for path, body := range map[string]string{single: noID, batch: "[" + noID + "]"} {
				got = a.send(t, "POST", path, body, header)
				if test.refused != (got.status == 403) || got.header.Get("Vary") != "Origin" || (got.header.Get("Access-Control-Allow-Origin") == test.origin) != test.preflight {
					t.Errorf("%s is answered %d %s with %v", path, got.status, got.body, got.header)
				}
			}
		})
	}
	t.Run("OPTIONS that is no preflight", func(t *testing.T) {
		for _, path := range []string{single, batch} {
			if got := a.send(t, "OPTIONS", path, "", nil); got.status != 405 {
				t.Errorf("to %s it is answered %d", path, got.status)
			}
		}
	})
	t.Run("sendBeacon", func(t *testing.T) {
		const text = "text/plain;charset=UTF-8"
		header := map[string]string{"Origin": "https://play.example", "Content-Type": text}
		got := a.sendTo(t, "POST", single, "?key="+web+"&sentAt=1772366399000", of("beacon"), header)
		if r := a.stored(t, "beacon"); got.status != 201 || r.Game != "web" || !r.SentAt.Equal(now.Add(-time.Second)) {
			t.Errorf("the answer is %d %s, the record %+v", got.status, got.body, r)
		}
		for _, body := range []string{"[" + noID + "," + noID + "]", noID + "\n" + noID} {
			if got := a.sendTo(t, "POST", batch, "?key="+web, body, header); got.status != 200 || !strings.Contains(got.body, `"stored":2`) {
				t.Errorf("the batch %s is answered %d %s", body, got.status, got.body)
			}
		}
	})
}

// Before the keys are read for the first time a page of a key's origin is told to come
// again, and not that it may not use the API.
func TestOriginsBeforeTheKeysAreRead(t *testing.T) {
	k := &keys{}
	k.set(errors.New("connection refused"))
	key := k.add(apikey.Key{Settings: apikey.Settings{Origins: []string{"https://play.example"}}})
	a := guarded(t, newContract(t), k, nil)
	preflight := func(origin string) answer {
		return a.send(t, "OPTIONS", single, "", map[string]string{"Origin": origin, "Access-Control-Request-Method": "POST"})
	}
	header := bearer(key)
	header["Origin"] = "https://play.example"
	if got := preflight("https://play.example"); got.status != 204 || got.header.Get("Access-Control-Max-Age") != "" {
		t.Errorf("the preflight is answered %d %s with %v", got.status, got.body, got.header)
	}
	if got := a.send(t, "POST", single, noID, header); got.status != 503 || got.header.Get("Retry-After") == "" || got.header.Get("Access-Control-Allow-Origin") != "https://play.example" {
		t.Errorf("the event is answered %d %s with %v", got.status, got.body, got.header)
	}
	k.set(nil)
	for deadline := time.Now().Add(20 * time.Second); a.send(t, "POST", single, noID, header).status != 201; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("with the keys no event is taken")
		}
	}
	if got := preflight("https://play.example"); got.status != 204 || got.header.Get("Access-Control-Max-Age") == "" {
		t.Errorf("with the keys the preflight is answered %d with %v", got.status, got.header)
	}
	if got := preflight("https://evil.example"); got.status != 403 {
		t.Errorf("with the keys that of another origin is answered %d", got.status)
	}
}

// What is known of a request besides its events is stored with each of them.
func testOrigin(t *testing.T, c *contract) {
	k := &keys{}
	plain := k.add(apikey.Key{Game: "chess"})
	own := k.add(apikey.Key{Game: "chess", Settings: apikey.Settings{SelfTraffic: true}})
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	at := time.Date(2026, 3, 1, 11, 0, 0, 123_000_000, time.UTC)
	a := guarded(t, c, k, func(config *ingestion.Config) {
		config.SelfNetworks = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")}
		config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	})
	for i, test := range []struct {
		key           string
		header, value string
		traffic       event.Traffic
		sent          time.Time
		trace         string
	}{
		{plain, "Sent-At", "2026-03-01T12:00:00.1234567+01:00", "", at.Add(456 * time.Microsecond), ""},
		{plain, "Sent-At", "1772362800123", "", at, ""},
		{plain, "Traceparent", trace, "", time.Time{}, trace},
		{plain, "Traceparent", "01" + trace[2:] + "-more", "", time.Time{}, trace},
		{plain, "Traceparent", trace + "-more", "", time.Time{}, ""},
		{plain, "Traceparent", "ff" + trace[2:], "", time.Time{}, ""},
		{plain, "Traceparent", strings.ToUpper(trace), "", time.Time{}, ""},
		{plain, "Traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "", time.Time{}, ""},
		{plain, "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", "", time.Time{}, ""},
		{plain, "Traceparent", "nonsense", "", time.Time{}, ""},
		{plain, "Gmctl-Traffic", "bot", event.TrafficBot, time.Time{}, ""},
		{own, "", "", event.TrafficSelf, time.Time{}, ""},
		{own, "Gmctl-Traffic", "player", "", time.Time{}, ""},
		{plain, "User-Agent", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", event.TrafficBot, time.Time{}, ""},
		{plain, "User-Agent", "Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 Chrome/96.0 Mobile Safari/537.36", "", time.Time{}, ""},
		{plain, "User-Agent", "gamemetrics-go", "", time.Time{}, ""},
		{plain, "X-Forwarded-For", "203.0.113.7, 10.1.2.3", event.TrafficSelf, time.Time{}, ""},
		{plain, "X-Forwarded-For", "2001:db8::1", event.TrafficSelf, time.Time{}, ""},
		{plain, "X-Forwarded-For", "203.0.113.7, 198.51.100.1", "", time.Time{}, ""}, // anybody can say that of themselves
		{plain, "X-Forwarded-For", "nonsense", "", time.Time{}, ""},
	} {
		header := bearer(test.key)
		if test.header != "" {
			header[test.header] = test.value
		}
		for _, path := range []string{single, batch} {
			player := strings.Repeat("o", i+1) + path
			body := of(player)
			if path == batch {
				body = "[" + body + "]"
			}
			if got := a.send(t, "POST", path, body, header); got.status > 201 {
				t.Errorf("%s: %s is answered %d %s", test.header, test.value, got.status, got.body)
				continue
			}
			r := a.stored(t, player)
			if r.Traffic != test.traffic || !r.SentAt.Equal(test.sent) || r.TraceParent != test.trace || r.Game != "chess" {
				t.Errorf("%s: %s is stored as traffic %q, sent %s, trace %q, game %q", test.header, test.value, r.Traffic, r.SentAt, r.TraceParent, r.Game)
			}
		}
	}
	for name, values := range map[string][]string{
		"Sent-At":       {"now", "1772362800", "-1", "2026-03-01", "99999999999999999999", "999999999999999999"},
		"Gmctl-Traffic": {"robot", "BOT"},
	} {
		for _, value := range values {
			header := bearer(plain)
			header[name] = value
			got := a.send(t, "POST", single, noID, header)
			if got.status != 400 || got.failure(t).Error.Code != eventapi.InvalidHeader || got.failure(t).Error.Fields[0].Field != name {
				t.Errorf("%s: %s is answered %d %s", name, value, got.status, got.body)
			}
		}
	}
}
