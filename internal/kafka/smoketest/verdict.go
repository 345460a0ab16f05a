package smoketest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/latency"
)

// sum fills in the figures of a topic's report.
func (t *track) sum(r *TopicReport) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.state {
		if s != unsent {
			r.Sent++
		}
		switch s {
		case acked:
			r.Acked++
		case consumed:
			r.Acked++
			r.Consumed++
		}
	}
	r.Ack, r.EndToEnd = quantiles(&t.ack), quantiles(&t.e2e)
}

func quantiles(h *latency.Histogram) Latency {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return Latency{P50: ms(h.Quantile(0.50)), P99: ms(h.Quantile(0.99)), Max: ms(h.Max())}
}

// problems says what went wrong with the topic's records.
func (t *track) problems(cfg kafka.Config, topic string, timeout time.Duration, stable map[int32]int64) []Finding {
	unseen, unanswered := t.missing()
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []Finding
	for _, text := range slices.Sorted(maps.Keys(t.failures)) {
		f := t.failures[text]
		finding := Finding{What: fmt.Sprintf("%d of %d records could not be produced to topic %s", f.count, len(t.sent), topic)}
		if errors.Is(f.err, kgo.ErrClientClosed) {
			finding.Why = fmt.Sprintf("the cluster did not acknowledge them within %s", timeout)
			finding.Next = "check the brokers' health and load; if the cluster is only slow give a longer --timeout"
		} else {
			explained := kafka.ExplainTopic(f.err, cfg, topic)
			finding.Why, finding.Next = explained.Error(), explained.Next
		}
		all = append(all, finding)
	}
	if unanswered > 0 && len(t.failures) == 0 {
		all = append(all, Finding{
			What: fmt.Sprintf("%d of %d records to topic %s were not acknowledged", unanswered, len(t.sent), topic),
			Why:  fmt.Sprintf("no answer within %s", timeout), Next: "check the brokers' health and load; if the cluster is only slow give a longer --timeout",
		})
	}
	for _, partition := range slices.Sorted(maps.Keys(t.fetchErrs)) {
		explained := kafka.ExplainTopic(t.fetchErrs[partition], cfg, topic)
		all = append(all, Finding{
			What: fmt.Sprintf("topic %s, partition %d cannot be consumed", topic, partition), Why: explained.Error(), Next: explained.Next,
		})
	}
	if len(t.fetchErrs) == 0 && len(unseen) > 0 {
		all = append(all, t.lost(topic, timeout, unseen, stable))
	}
	if t.oddCount > 0 {
		all = append(all, Finding{
			What: fmt.Sprintf("topic %s gave back %d records otherwise than they were sent", topic, t.oddCount),
			Why:  strings.Join(t.oddities, "; "), Next: "look for a proxy or an interceptor between gmctl and the brokers that changes, drops or repeats records",
		})
	}
	return all
}

// lost says why acknowledged records did not come back. The caller holds mu.
func (t *track) lost(topic string, timeout time.Duration, unseen map[int32]int, stable map[int32]int64) Finding {
	count := 0
	for _, n := range unseen {
		count += n
	}
	finding := Finding{
		What: fmt.Sprintf("%d acknowledged records of topic %s were not consumed", count, topic),
		Why:  fmt.Sprintf("they did not arrive within %s", timeout),
		Next: "check the brokers' load; if the cluster is only slow give a longer --timeout",
	}
	for i, s := range t.state {
		partition := t.sent[i].Partition
		end, known := stable[partition]
		if s == acked && known && end <= t.sent[i].Offset {
			finding.Why = fmt.Sprintf("a transaction that began at offset %d of partition %d is still open: read_committed consumers cannot read past it", end, partition)
			finding.Next = "wait until transaction.timeout.ms has passed, or find it: kafka-transactions find-hanging, then kafka-transactions abort"
			return finding
		}
	}
	return finding
}
