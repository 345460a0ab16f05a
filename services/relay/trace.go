package relay

import (
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/internal/tracing"
)

// trace has the record of an event carry the span that it is published by, where its
// trace is recorded: what consumers do is then a part of it.
func trace(traces *tracing.Publication, record *kgo.Record, event uuid.UUID) {
	if traces == nil {
		return
	}
	for i := range record.Headers {
		header := &record.Headers[i]
		if header.Key != topics.TraceHeader {
			continue
		}
		parent := string(header.Value)
		if own := traces.Create(parent, event); own != parent {
			header.Value = []byte(own)
		}
	}
}
