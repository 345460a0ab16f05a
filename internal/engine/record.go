package engine

import (
	"fmt"
	"time"
)

// Record is one line of a journal: that a run, or a stage of a run, started or
// ended.
type Record struct {
	Time    time.Time `json:"time"` // UTC
	Run     string    `json:"run"`  // identifies the run; begins with the second it started in, UTC
	Env     string    `json:"env"`
	Who     string    `json:"who"`             // user@host
	Command string    `json:"command"`         // as it was typed
	Stage   string    `json:"stage,omitempty"` // empty: the run itself
	Verb    Verb      `json:"verb"`
	Status  Status    `json:"status"`
	// Fingerprint is that of the plan which is applied.
	Fingerprint string `json:"fingerprint,omitempty"`
	// Changes are, for a stage, what its plan said, and for a run how many
	// stages ended how; a few words each.
	Changes []string      `json:"changes,omitempty"`
	Error   string        `json:"error,omitempty"`
	Elapsed time.Duration `json:"-"` // of what ended; in the file as elapsedSeconds
}

// Status is how far a run or a stage has come.
type Status string

// How far it can come.
const (
	StatusStarted   Status = "started"
	StatusDone      Status = "done"
	StatusFailed    Status = "failed"
	StatusCancelled Status = "cancelled"
	// StatusKilled is never written: it is what a reader calls a run or a stage
	// that started and whose process ended without a word.
	StatusKilled Status = "killed"
)

const (
	shownChanges = 20  // of a stage's plan, in a record
	shownRunes   = 200 // of a change, in a record
)

// summaries puts changes in a few words each, so that a record stays short.
func summaries(changes []Change) []string {
	var lines []string
	for i, change := range changes {
		if i == shownChanges {
			return append(lines, fmt.Sprintf("and %d more", len(changes)-i))
		}
		line := string(change.Action) + " " + change.Object
		if change.Detail != "" {
			line += " (" + change.Detail + ")"
		}
		if runes := []rune(line); len(runes) > shownRunes {
			line = string(runes[:shownRunes-1]) + "…"
		}
		lines = append(lines, line)
	}
	return lines
}
