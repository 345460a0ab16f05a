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
	const sent, other content = 7, 8
	for _, test := range []struct {
		name  string
		does  func(l *ledger)
		waits string // what the audit waits for; empty: nothing
		says  string // the violation; empty: none
	}{
		{"all is well", func(l *ledger) { l.ack(id); l.store(id, at, sent); l.publish(id, "here", sent) }, "", ""},
		{"stored without an answer", func(l *ledger) { l.store(id, at, sent); l.publish(id, "here", sent) }, "", ""},
		{"published before it is read from the table", func(l *ledger) { l.publish(id, "here", sent); l.store(id, at, sent); l.ack(id) }, "", ""},
		{"acknowledged twice", func(l *ledger) { l.ack(id); l.ack(id); l.store(id, at, sent); l.publish(id, "here", sent) }, "", ""},
		{"lost", func(l *ledger) { l.ack(id) }, "acknowledged and not stored", ""},
		{"not published", func(l *ledger) { l.ack(id); l.store(id, at, sent) }, "stored and not published", ""},
		{"published and not stored", func(l *ledger) { l.publish(id, "here", sent) }, "published and not stored", ""},
		{"published twice", func(l *ledger) { l.store(id, at, sent); l.publish(id, "here", sent); l.publish(id, "there", sent) }, "", "is there again at there"},
		{"stored twice", func(l *ledger) {
			l.store(id, at, sent)
			l.store(id, relay.Position{Xid: 11}, sent)
			l.publish(id, "here", sent)
		}, "", "is stored at 10/1 and at 11/0"},
		{"a dead letter without cause", func(l *ledger) { l.store(id, at, sent); l.bury(id, "here", sent) }, "", "does not belong to here"},
		{"nobody's", func(l *ledger) { nobody := uuid.New(); l.store(nobody, at, sent); l.publish(nobody, "here", sent) }, "", "nobody sent it"},
		{"passed over", func(l *ledger) { l.ack(id); l.store(id, at, sent); l.passed(at); l.lose(at) }, "", "is not published, and the relays are at 10/1"},
		{"passed and published", func(l *ledger) { l.store(id, at, sent); l.publish(id, "here", sent); l.passed(at) }, "", ""},
		{"not reached", func(l *ledger) { l.store(id, at, sent); l.passed(relay.Position{Xid: 10}) }, "stored and not published", ""},
		{"gone with its topic", func(l *ledger) { l.ack(id); l.store(id, at, sent); l.lose(at) }, "", ""},
		{"behind what is gone", func(l *ledger) { l.ack(id); l.store(id, at, sent); l.lose(relay.Position{Xid: 10}) }, "stored and not published", ""},
		{"gone and back", func(l *ledger) { l.store(id, at, sent); l.lose(at); l.publish(id, "here", sent) }, "", "is there again"},
		{"poison", func(l *ledger) { l.poison(id, "p", 1); l.store(id, at, sent); l.bury(id, "here", sent) }, "", ""},
		{"poison that is published", func(l *ledger) { l.poison(id, "p", 1); l.store(id, at, sent); l.publish(id, "here", sent) }, "", "does not belong"},
		{"rejected", func(l *ledger) {
			l.offend(id, "p", 1, sent)
			l.reject(id)
			l.keep(id, at, sent)
			l.bury(id, "here", sent)
		}, "", ""},
		{"rejected and lost", func(l *ledger) { l.offend(id, "p", 1, sent); l.reject(id) }, "acknowledged and not stored", ""},
		{"rejected and not published", func(l *ledger) { l.offend(id, "p", 1, sent); l.keep(id, at, sent) }, "stored and not published", ""},
		{"rejected and stored", func(l *ledger) { l.offend(id, "p", 1, sent); l.store(id, at, sent); l.bury(id, "here", sent) }, "", "in the wrong table"},
		{"buried twice", func(l *ledger) {
			l.offend(id, "p", 1, sent)
			l.keep(id, at, sent)
			l.bury(id, "here", sent)
			l.bury(id, "there", sent)
		}, "", "is there again at there"},
		{"stored otherwise", func(l *ledger) { l.store(id, at, other); l.publish(id, "here", sent) }, "", "is stored at 10/1, and was sent with another content"},
		{"published otherwise", func(l *ledger) { l.store(id, at, sent); l.publish(id, "here", other) }, "", "is at here, and was sent with another content"},
		{"kept otherwise", func(l *ledger) { l.offend(id, "p", 1, sent); l.keep(id, at, other); l.bury(id, "here", sent) }, "", "is stored at 10/1, and was"},
		{"buried otherwise", func(l *ledger) { l.offend(id, "p", 1, sent); l.keep(id, at, sent); l.bury(id, "here", other) }, "", "is at here, and was"},
		{"lost later", func(l *ledger) { l.ack(id); l.store(id, at, sent); l.publish(id, "here", sent); l.forget() }, "acknowledged and not stored", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLedger()
			l.send(id, "player", 1, sent)
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
		{"later", answer{503, map[string][]string{"Retry-After": {"1"}}, []byte(reason), deadline}, ""},
		{"too many", answer{429, map[string][]string{"Retry-After": {"1"}}, []byte(reason), deadline}, ""},
		{"no time", answer{503, nil, []byte(reason), 0}, "without Retry-After"},
		{"too late", answer{503, map[string][]string{"Retry-After": {"1"}}, []byte(reason), toRefuse + 1}, "its deadline is"},
		{"no reason", answer{503, map[string][]string{"Retry-After": {"1"}}, []byte("busy"), 0}, "gives no reason"},
		{"a fault", answer{500, nil, []byte(reason), 0}, "a valid request with 500"},
		{"refused for ever", answer{400, nil, []byte(reason), 0}, "a valid request with 400"},
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
