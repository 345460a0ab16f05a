package engine

import (
	"context"
	"slices"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Stage is one system of an environment.
type Stage interface {
	// Plan compares what the goal wants with what is there, and changes nothing.
	// It must also answer when the stages this one needs are not there yet:
	// what cannot be known before them is said in Plan.Deferred.
	Plan(ctx context.Context, goal Goal) (Plan, error)

	// Apply makes it so. It is idempotent, and may be called after an earlier
	// Apply was killed at any point.
	Apply(ctx context.Context, report Reporter) error

	// Check tells the stage's health, with cause and remedy. An error means
	// that the health could not be learned at all.
	Check(ctx context.Context) (Health, error)

	// Destroy removes the stage and returns only when it is proved gone. It is
	// idempotent: destroying what is not there succeeds.
	Destroy(ctx context.Context, report Reporter) error
}

// Node places a stage in a graph.
type Node struct {
	Name  string   // unique in the graph, as users type it: "postgres"
	About string   // what the stage is, in a few words
	Needs []string // the names of the stages that must be done first
	Stage Stage
}

// Goal is what a plan is made for.
type Goal string

// What a stage can be planned for.
const (
	GoalPresent Goal = "present" // the stage as the configuration wants it: `up`
	GoalAbsent  Goal = "absent"  // the stage removed: `teardown`
)

// Plan is the difference between wanted and actual. A plan without changes
// means that there is nothing to do.
type Plan struct {
	Changes []Change `json:"changes"`
	// Deferred says what cannot be known before another stage is there.
	Deferred string `json:"deferred,omitempty"`
	// Fingerprint identifies the wanted state (a hash of the stage's inputs).
	// A stage whose last completed Apply had another fingerprint is applied
	// again even if it sees no change. Empty: the changes alone decide.
	Fingerprint string `json:"fingerprint,omitempty"`
}

// Empty reports whether the plan would change nothing. What is only named as
// kept is no change.
func (p Plan) Empty() bool {
	return p.Deferred == "" &&
		!slices.ContainsFunc(p.Changes, func(change Change) bool { return change.Action != ActionKeep })
}

// Action is what a change does to its object.
type Action string

// What Apply and Destroy do to things.
const (
	ActionCreate  Action = "create"
	ActionUpdate  Action = "update"
	ActionReplace Action = "replace"
	ActionDelete  Action = "delete"
	ActionStart   Action = "start"
	ActionStop    Action = "stop"
	ActionRestart Action = "restart"
	ActionRun     Action = "run"  // something that is done each time, such as a smoke test
	ActionKeep    Action = "keep" // named because a user would want to know that it stays
)

// Change is one difference that Apply or Destroy would remove.
type Change struct {
	Action Action `json:"action"`
	Object string `json:"object"`           // names the thing: "topic player.events.raw"
	Detail string `json:"detail,omitempty"` // "6 partitions", "port 5432"
	Holds  string `json:"holds,omitempty"`  // what data is lost with it: "1204 events, 48 MiB"
	// Count is how many things it stands for, if not for one: "77 other resources".
	Count int `json:"count,omitempty"`
}

// Things is how many things the change is about.
func (c Change) Things() int { return max(c.Count, 1) }

// State is how well a stage or component is.
type State string

// From well to not known.
const (
	StateReady    State = "ready"
	StateStarting State = "starting" // on its way, nothing is known to be wrong
	StateDegraded State = "degraded" // works, with something wrong
	StateDown     State = "down"     // should work and does not
	StateAbsent   State = "absent"   // not there, and nothing says it should be
	StateUnknown  State = "unknown"  // could not be learned
)

// Health is what Check learned.
type Health struct {
	State      State          `json:"state"`
	Since      time.Time      `json:"since,omitzero"`
	Summary    string         `json:"summary,omitempty"` // a few words: "15.18, pid 4711"
	Endpoints  []Endpoint     `json:"endpoints,omitempty"`
	Figures    []Figure       `json:"figures,omitempty"`
	Problem    *problem.Error `json:"-"` // renderers print its three parts
	Components []Component    `json:"components,omitempty"`
}

// Component is a part of a stage with a health of its own.
type Component struct {
	Name   string `json:"name"`
	Health `json:",inline"`
}

// Endpoint is an address that a user can open or connect to.
type Endpoint struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// Figure is one key number of a stage.
type Figure struct {
	Name   string  `json:"name"` // "events stored"
	Value  float64 `json:"value"`
	Unit   string  `json:"unit,omitempty"` // "events", "bytes", "s"; empty for a bare count
	Approx bool    `json:"approx,omitempty"`
}

// StageHealth is a stage's health under its name.
type StageHealth struct {
	Stage  string `json:"stage"`
	Health Health `json:"health"`
}

// StagePlan is a stage's plan under its name.
type StagePlan struct {
	Stage string `json:"stage"`
	Plan  Plan   `json:"plan"`
	// Resume says why Apply runs although the stage sees no change:
	// the journal shows an Apply that did not complete. Empty otherwise.
	Resume string         `json:"resume,omitempty"`
	Err    *problem.Error `json:"-"`
}
