package relay

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/internal/tracing"
)

// trace has the record of an event carry the span that it is published by, where its
// trace is recorded: what consumers do is then a part of it.
func trace(traces *tracing.Publication, e *Event, record *kgo.Record) {
	if traces == nil || e.TraceParent == "" {
		return
	}
	for i := range record.Headers {
		header := &record.Headers[i]
		if header.Key != topics.TraceHeader {
			continue
		}
		if own := traces.Create(e.TraceParent, e.EventID); own != e.TraceParent {
			header.Value = []byte(own)
		}
	}
}
