//go:build unix

package pipeline

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/services/relay"
)

// The audit is worth what its ledger notices.
func TestLedgerNoticesWhatDoesNotHold(t *testing.T) {
	id, at := uuid.New(), relay.Position{Xid: 10, Seq: 1}
	for _, test := range []struct {
		name  string
		does  func(l *ledger)
		waits string // what the audit waits for; empty: nothing
		says  string // the violation; empty: none
	}{
		{"all is well", func(l *ledger) { l.ack(id); l.store(id, at); l.publish(id, "here") }, "", ""},
		{"stored without an answer", func(l *ledger) { l.store(id, at); l.publish(id, "here") }, "", ""},
		{"published before it is read from the table", func(l *ledger) { l.publish(id, "here"); l.store(id, at); l.ack(id) }, "", ""},
		{"acknowledged twice", func(l *ledger) { l.ack(id); l.ack(id); l.store(id, at); l.publish(id, "here") }, "", ""},
		{"lost", func(l *ledger) { l.ack(id) }, "acknowledged and not stored", ""},
		{"not published", func(l *ledger) { l.ack(id); l.store(id, at) }, "stored and not published", ""},
		{"published and not stored", func(l *ledger) { l.publish(id, "here") }, "published and not stored", ""},
		{"published twice", func(l *ledger) { l.store(id, at); l.publish(id, "here"); l.publish(id, "there") }, "", "is there again at there"},
		{"stored twice", func(l *ledger) { l.store(id, at); l.store(id, relay.Position{Xid: 11}); l.publish(id, "here") }, "", "is stored at 10/1 and at 11/0"},
		{"a dead letter without cause", func(l *ledger) { l.store(id, at); l.bury(id, "here") }, "", "does not belong to here"},
		{"nobody's", func(l *ledger) { other := uuid.New(); l.store(other, at); l.publish(other, "here") }, "", "nobody sent it"},
		{"gone with its topic", func(l *ledger) { l.ack(id); l.store(id, at); l.lose(at) }, "", ""},
		{"behind what is gone", func(l *ledger) { l.ack(id); l.store(id, at); l.lose(relay.Position{Xid: 10}) }, "stored and not published", ""},
		{"gone and back", func(l *ledger) { l.store(id, at); l.lose(at); l.publish(id, "here") }, "", "is there again"},
		{"poison", func(l *ledger) { l.poison(id, "p", 1); l.store(id, at); l.bury(id, "here") }, "", ""},
		{"poison that is published", func(l *ledger) { l.poison(id, "p", 1); l.store(id, at); l.publish(id, "here") }, "", "does not belong"},
		{"rejected", func(l *ledger) { l.offend(id, "p", 1); l.reject(id); l.keep(id, at); l.bury(id, "here") }, "", ""},
		{"rejected and lost", func(l *ledger) { l.offend(id, "p", 1); l.reject(id) }, "acknowledged and not stored", ""},
		{"rejected and not published", func(l *ledger) { l.offend(id, "p", 1); l.keep(id, at) }, "stored and not published", ""},
		{"rejected and stored", func(l *ledger) { l.offend(id, "p", 1); l.store(id, at); l.bury(id, "here") }, "", "in the wrong table"},
		{"buried twice", func(l *ledger) { l.offend(id, "p", 1); l.keep(id, at); l.bury(id, "here"); l.bury(id, "there") }, "", "is there again at there"},
		{"lost later", func(l *ledger) { l.ack(id); l.store(id, at); l.publish(id, "here"); l.forget() }, "acknowledged and not stored", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLedger()
			l.send(id, "player", 1)
			test.does(l)
			switch err := l.open(); {
			case test.waits == "" && err != nil:
				t.Errorf("the audit waits: %v", err)
			case test.waits != "" && (err == nil || !strings.Contains(err.Error(), test.waits)):
				t.Errorf("the audit waits for %v, want %q", err, test.waits)
			}
			violations := strings.Join(l.violations(), "; ")
			if (test.says == "") != (violations == "") || !strings.Contains(violations, test.says) {
				t.Errorf("the violations are %q, want %q", violations, test.says)
			}
		})
	}
}

// A refusal without a status, a reason or a time to come again is a violation.
func TestRefusalsAreHeldToTheContract(t *testing.T) {
	const reason = `{"error":{"code":"unavailable","message":"later"}}`
	for _, test := range []struct {
		name   string
		answer answer
		says   string
	}{
		{"later", answer{503, map[string][]string{"Retry-After": {"1"}}, []byte(reason)}, ""},
		{"too many", answer{429, map[string][]string{"Retry-After": {"1"}}, []byte(reason)}, ""},
		{"no time", answer{503, nil, []byte(reason)}, "without Retry-After"},
		{"no reason", answer{503, map[string][]string{"Retry-After": {"1"}}, []byte("busy")}, "gives no reason"},
		{"a fault", answer{500, nil, []byte(reason)}, "a valid request with 500"},
		{"refused for ever", answer{400, nil, []byte(reason)}, "a valid request with 400"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLoad(newLedger(), nil, 1)
			l.judge(&service{name: "api"}, &test.answer)
			violations := strings.Join(l.ledger.violations(), "; ")
			if (test.says == "") != (violations == "") || !strings.Contains(violations, test.says) {
				t.Errorf("the violations are %q, want %q", violations, test.says)
			}
			if refused := l.ledger.refused(test.answer.status); (refused == 1) != (test.says == "") {
				t.Errorf("%d refusals are counted", refused)
			}
		})
	}
}
