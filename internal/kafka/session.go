package kafka

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Session is a client together with the configuration it was made from, which
// explains its errors.
type Session struct {
	*kgo.Client
	Config Config
}

// Open returns a session; the caller closes it.
func Open(cfg Config, opts ...kgo.Opt) (*Session, error) {
	client, err := NewClient(cfg, opts...)
	if err != nil {
		return nil, err
	}
	return &Session{client, cfg}, nil
}

// Explain is Explain for an error of this session; nil stays nil.
func (s *Session) Explain(err error) error {
	if err == nil {
		return nil
	}
	return Explain(err, s.Config)
}

// ExplainTopic is ExplainTopic for an error of this session, named after what
// was being done to the topic.
func (s *Session) ExplainTopic(what string, err error, topic string) error {
	if err == nil {
		return nil
	}
	explained := ExplainTopic(err, s.Config, topic)
	return &problem.Error{What: what, Cause: explained, Next: explained.Next, Kind: explained.Kind}
}
