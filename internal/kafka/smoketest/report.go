// Package smoketest proves that a Kafka cluster carries the platform's topics:
// it produces to and consumes from every one of them, compares content, order
// per key and headers, measures how long that takes, and names what is wrong.
//
// Its records carry topics.TestHeader, which every consumer of the platform
// skips, so that a test never becomes data.
package smoketest

import (
	"fmt"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Report is what a test found. It is the data of the document
// `gmctl kafka test -o json`.
type Report struct {
	Run     string         `json:"run"` // the value of topics.TestHeader on its records
	Passed  bool           `json:"passed"`
	Cluster string         `json:"cluster,omitempty"` // the cluster's id
	Brokers []kafka.Broker `json:"brokers"`
	Started time.Time      `json:"started"`
	Seconds float64        `json:"seconds"`
	Topics  []TopicReport  `json:"topics"`
}

// TopicReport is what a test found of one topic.
type TopicReport struct {
	Topic      string            `json:"topic"`
	Passed     bool              `json:"passed"`
	Partitions []kafka.Partition `json:"partitions"`
	MinInSync  int               `json:"minInSync,omitempty"` // min.insync.replicas; 0 when it could not be learned
	Keys       int               `json:"keys"`
	Sent       int               `json:"sent"`     // records handed to the producer
	Acked      int               `json:"acked"`    // records the cluster acknowledged
	Consumed   int               `json:"consumed"` // of those, records consumed as they were sent
	Ack        Latency           `json:"ack"`      // produce to acknowledgement
	EndToEnd   Latency           `json:"endToEnd"` // produce to consume
	Problems   []Finding         `json:"problems"` // why it did not pass
	Warnings   []Finding         `json:"warnings"` // what works and should not stay so
}

// Latency is how long records took, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50Ms"`
	P99 float64 `json:"p99Ms"`
	Max float64 `json:"maxMs"`
}

// Finding is something wrong, in the three parts of a problem.Error.
type Finding struct {
	What string `json:"what"`
	Why  string `json:"why,omitempty"`
	Next string `json:"next,omitempty"`
}

// Err is nil for a test that passed, else a *problem.Error of kind Unhealthy
// that names the topics that did not, with the first one's cause and remedy.
func (r Report) Err() error {
	var failed []string
	var first Finding
	for _, t := range r.Topics {
		if t.Passed {
			continue
		}
		if len(failed) == 0 && len(t.Problems) > 0 {
			first = t.Problems[0]
		}
		failed = append(failed, t.Topic)
	}
	if len(failed) == 0 {
		return nil
	}
	what := fmt.Sprintf("%d of %d topics failed the Kafka test: %s", len(failed), len(r.Topics), strings.Join(failed, ", "))
	cause := first.What
	if first.Why != "" {
		cause += ": " + first.Why
	}
	return &problem.Error{What: what, Cause: fmt.Errorf("%s", cause), Next: first.Next, Kind: problem.Unhealthy}
}
