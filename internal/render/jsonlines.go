package render

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
)

// EventDocument is one line of --log-format json. Its schema has the version
// APIVersion: within it no field is removed or changed in meaning.
type EventDocument struct {
	APIVersion     string           `json:"apiVersion"` // gmctl/v1
	Kind           string           `json:"kind"`       // Event
	Time           time.Time        `json:"time"`       // UTC
	Event          string           `json:"event"`      // an engine.EventKind: "stage-done", or "error" for a command's error
	Env            string           `json:"env,omitempty"`
	Run            string           `json:"run,omitempty"`  // id of the run, as in gmctl history
	Verb           string           `json:"verb,omitempty"` // apply or destroy
	Stage          string           `json:"stage,omitempty"`
	Stages         []string         `json:"stages,omitempty"` // run-started: all stages in order
	Update         *UpdateDocument  `json:"update,omitempty"` // stage-update
	ElapsedSeconds *float64         `json:"elapsedSeconds,omitempty"`
	BlockedBy      string           `json:"blockedBy,omitempty"` // stage-blocked: the stage that failed
	Problem        *ProblemDocument `json:"problem,omitempty"`
}

// UpdateDocument is what a stage tells while it works.
type UpdateDocument struct {
	Kind           string  `json:"kind"` // progress, waiting or warning
	Message        string  `json:"message"`
	Done           int64   `json:"done,omitempty"`
	Total          int64   `json:"total,omitempty"` // absent: not known
	Unit           string  `json:"unit,omitempty"`
	UsuallySeconds float64 `json:"usuallySeconds,omitempty"` // waiting: how long it tends to take
}

// NewEventDocument returns e as a line of --log-format json.
func NewEventDocument(e engine.Event) EventDocument {
	d := EventDocument{
		APIVersion: APIVersion, Kind: "Event", Time: e.Time.UTC(), Event: string(e.Kind),
		Env: e.Env, Run: e.Run, Verb: string(e.Verb), Stage: e.Stage, Stages: e.Stages,
		BlockedBy: e.BlockedBy, Problem: NewProblemDocument(e.Problem),
	}
	switch e.Kind {
	case engine.StageDone, engine.StageUnchanged, engine.StageFailed, engine.StageCancelled, engine.RunDone:
		seconds := e.Elapsed.Seconds()
		d.ElapsedSeconds = &seconds
	}
	if u := e.Update; u != nil {
		d.Update = &UpdateDocument{
			Kind: string(u.Kind), Message: u.Message,
			Done: u.Done, Total: u.Total, Unit: u.Unit,
			UsuallySeconds: u.Usually.Seconds(),
		}
	}
	return d
}

// jsonLines prints each event as it comes.
type jsonLines struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

var _ Progress = (*jsonLines)(nil)

func newJSONLines(w io.Writer) *jsonLines {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return &jsonLines{encoder: encoder}
}

func (j *jsonLines) Handle(e engine.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	_ = j.encoder.Encode(NewEventDocument(e))
}

func (j *jsonLines) Close() {}
