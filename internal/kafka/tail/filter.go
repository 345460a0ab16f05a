package tail

import (
	"regexp"
	"slices"
	"strings"

	"github.com/gamemetrics/gmctl/internal/filter"
	"github.com/gamemetrics/gmctl/internal/kafka"
)

// Filter chooses records: those that meet every condition.
type Filter struct {
	Keys      []string // any of them; nil: all
	Headers   []string // each "name=value", or "name" for any value
	Grep      *regexp.Regexp
	Where     filter.Conditions // of the value, as JSON
	WithTests bool              // records that a test made, too
}

// Match reports whether the filter chooses r.
func (f Filter) Match(r kafka.Record) bool {
	if !f.WithTests && r.IsTest() {
		return false
	}
	if len(f.Keys) > 0 && !slices.Contains(f.Keys, string(r.Key)) {
		return false
	}
	for _, header := range f.Headers {
		if !hasHeader(r, header) {
			return false
		}
	}
	if f.Grep != nil && !f.Grep.Match(r.Value) {
		return false
	}
	return f.Where.Match(r.Value)
}

func hasHeader(r kafka.Record, wanted string) bool {
	name, value, withValue := strings.Cut(wanted, "=")
	for _, h := range r.Headers {
		if h.Key == name && (!withValue || string(h.Value) == value) {
			return true
		}
	}
	return false
}
