package engine

import (
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Reporter is how a running stage tells what it is doing. Implementations may
// be called from several goroutines.
type Reporter interface {
	Report(Update)
}

// Update is one thing a stage tells while it works.
type Update struct {
	Kind    UpdateKind
	Message string        // "starting PostgreSQL", "waiting for port 9092"
	Done    int64         // progress: how many of Total
	Total   int64         // 0: not known
	Unit    string        // of Done and Total: "topics", "bytes"
	Usually time.Duration // waiting: how long this usually takes; 0: not known
}

// UpdateKind sorts updates.
type UpdateKind string

// What a stage tells while it works.
const (
	UpdateProgress UpdateKind = "progress"
	UpdateWaiting  UpdateKind = "waiting" // Message names what it waits for and, when known, what stalls it
	UpdateWarning  UpdateKind = "warning"
)

// EventKind sorts events.
type EventKind string

// What happens in a run, in about the order in which it does.
const (
	RunStarted     EventKind = "run-started"
	StageStarted   EventKind = "stage-started"
	StageUpdate    EventKind = "stage-update" // Event.Update is set
	StageDone      EventKind = "stage-done"
	StageUnchanged EventKind = "stage-unchanged" // nothing to do
	StageFailed    EventKind = "stage-failed"    // Event.Problem is set
	StageCancelled EventKind = "stage-cancelled" // interrupted by the user
	StageBlocked   EventKind = "stage-blocked"   // a stage it needs failed; Event.BlockedBy names it
	StageExcluded  EventKind = "stage-excluded"  // by --only or --skip
	RunDone        EventKind = "run-done"        // Event.Problem is set when the run did not succeed
)

// Verb is what a run does to the stages.
type Verb string

// The verbs of a run.
const (
	VerbApply   Verb = "apply"
	VerbDestroy Verb = "destroy"
	// VerbPlan stands in the journal alone: for a stage that could not be
	// planned, and to which nothing was done therefore.
	VerbPlan Verb = "plan"
)

// Event is one thing that happened in a run.
//
// The events of a run begin with RunStarted and end with RunDone. Those of one
// stage are in order: StageStarted and any StageUpdates come only if something
// is done to it, and exactly one of the others ends them. A stage that a run
// did not come to, because it was interrupted before, has no events.
type Event struct {
	Time      time.Time
	Env       string
	Run       string // id of the run, as in the journal
	Verb      Verb
	Kind      EventKind
	Stage     string   // empty for run events
	Stages    []string // run-started: the stages in the order they will be shown
	Update    *Update
	Elapsed   time.Duration // of the stage or the run, on its final event
	Problem   *problem.Error
	BlockedBy string
}

// Sink receives the events of a run, one at a time.
type Sink func(Event)
