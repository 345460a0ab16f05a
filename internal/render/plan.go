package render

import (
	"fmt"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
)

// PlanDocument is the data of a document of the kind Plan.
type PlanDocument struct {
	Environment string         `json:"environment"`
	Goal        engine.Goal    `json:"goal"`    // present or absent
	Changes     int            `json:"changes"` // how many; what is kept does not count
	Summary     map[string]int `json:"summary"` // how many by action
	Stages      []PlannedStage `json:"stages"`
}

// PlannedStage is one stage of a plan.
type PlannedStage struct {
	Name     string           `json:"name"`
	Changes  []engine.Change  `json:"changes"`
	Deferred string           `json:"deferred,omitempty"` // what cannot be known yet
	Resume   string           `json:"resume,omitempty"`   // why it runs although nothing differs
	Problem  *ProblemDocument `json:"problem,omitempty"`  // why it could not be planned
}

// NewPlanDocument returns stages' plans for a document.
func NewPlanDocument(env string, goal engine.Goal, stages []engine.StagePlan) PlanDocument {
	d := PlanDocument{Environment: env, Goal: goal, Summary: map[string]int{}, Stages: []PlannedStage{}}
	for _, stage := range stages {
		planned := PlannedStage{
			Name: stage.Stage, Changes: stage.Plan.Changes,
			Deferred: stage.Plan.Deferred, Resume: stage.Resume, Problem: NewProblemDocument(stage.Err),
		}
		if planned.Changes == nil {
			planned.Changes = []engine.Change{}
		}
		for _, change := range planned.Changes {
			d.Summary[string(change.Action)] += change.Things()
			if change.Action != engine.ActionKeep {
				d.Changes += change.Things()
			}
		}
		d.Stages = append(d.Stages, planned)
	}
	return d
}

// Empty reports whether the plan would do nothing.
func (d PlanDocument) Empty() bool {
	for _, stage := range d.Stages {
		if stage.Deferred != "" || stage.Resume != "" || stage.Problem != nil {
			return false
		}
	}
	return d.Changes == 0
}

// Failed reports whether a stage could not be planned.
func (d PlanDocument) Failed() bool {
	for _, stage := range d.Stages {
		if stage.Problem != nil {
			return true
		}
	}
	return false
}

// Words is the plan in numbers: "3 to create", "1 to start".
func (d PlanDocument) Words() []string {
	var words []string
	for _, action := range []engine.Action{
		engine.ActionCreate, engine.ActionStart, engine.ActionUpdate, engine.ActionRestart, engine.ActionReplace,
		engine.ActionStop, engine.ActionDelete, engine.ActionRun, engine.ActionKeep,
	} {
		if n := d.Summary[string(action)]; n > 0 {
			words = append(words, fmt.Sprintf("%d to %s", n, action))
		}
	}
	later, resumed := 0, 0
	for _, stage := range d.Stages {
		if stage.Deferred != "" {
			later++
		}
		if stage.Resume != "" {
			resumed++
		}
	}
	if resumed > 0 {
		words = append(words, fmt.Sprintf("%s to resume", humanize.Plural(resumed, "stage")))
	}
	if later > 0 {
		words = append(words, fmt.Sprintf("%s to be planned on the way", humanize.Plural(later, "stage")))
	}
	return words
}

// PlanHeader are the column titles of a table that FillPlan fills.
func PlanHeader() []string { return []string{"STAGE", "ACTION", "OBJECT", "DETAIL", "HOLDS"} }

// FillPlan adds a row per change, the stage's name on its first. Stages with
// nothing to do have none.
func FillPlan(table *TableWriter, stages []engine.StagePlan) {
	for _, stage := range stages {
		name := table.Paint(iostreams.Bold, stage.Stage)
		row := func(cells ...string) {
			table.Row(append([]string{name}, cells...)...)
			name = ""
		}
		if stage.Err != nil {
			row(table.Paint(iostreams.Red, "✗ failed"), OneLine(stage.Err.What))
		}
		for _, change := range stage.Plan.Changes {
			row(Action(table.Paint, change.Action), OneLine(change.Object), table.Paint(iostreams.Faint, OneLine(change.Detail)),
				table.Paint(iostreams.Yellow, OneLine(change.Holds)))
		}
		if stage.Resume != "" {
			row(table.Paint(iostreams.Yellow, "~ resume"), "", table.Paint(iostreams.Faint, OneLine(stage.Resume)))
		}
		if stage.Plan.Deferred != "" {
			row(table.Paint(iostreams.Faint, "… later"), "", table.Paint(iostreams.Faint, OneLine(stage.Plan.Deferred)))
		}
	}
}
