package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

// Document is the data of a document of the kind Status.
type Document struct {
	Environment string       `json:"environment"`
	State       engine.State `json:"state"` // of the whole: ready only if every stage is
	Time        time.Time    `json:"time"`  // of the look
	Stages      []Stage      `json:"stages"`
}

// Stage is a stage's or a component's health.
type Stage struct {
	Name       string                  `json:"name"`
	State      engine.State            `json:"state"`
	Since      time.Time               `json:"since,omitzero"`
	Summary    string                  `json:"summary,omitempty"`
	Endpoints  []engine.Endpoint       `json:"endpoints,omitempty"`
	Figures    []engine.Figure         `json:"figures,omitempty"`
	Problem    *render.ProblemDocument `json:"problem,omitempty"`
	Components []Stage                 `json:"components,omitempty"`
}

func newDocument(env string, now time.Time, stages []engine.StageHealth) Document {
	d := Document{Environment: env, State: overall(stages), Time: now.UTC(), Stages: []Stage{}}
	for _, stage := range stages {
		d.Stages = append(d.Stages, newStage(stage.Stage, stage.Health))
	}
	return d
}

func newStage(name string, health engine.Health) Stage {
	s := Stage{
		Name: name, State: health.State, Since: health.Since, Summary: health.Summary,
		Endpoints: health.Endpoints, Figures: health.Figures, Problem: render.NewProblemDocument(health.Problem),
	}
	for _, component := range health.Components {
		s.Components = append(s.Components, newStage(component.Name, component.Health))
	}
	return s
}

// overall is the state of the whole: ready or absent if every stage is, else
// degraded as long as something works.
func overall(stages []engine.StageHealth) engine.State {
	count := map[engine.State]int{}
	for _, stage := range stages {
		count[stage.Health.State]++
	}
	n := len(stages)
	switch {
	case count[engine.StateReady] == n:
		return engine.StateReady
	case count[engine.StateAbsent] == n:
		return engine.StateAbsent
	case count[engine.StateUnknown] == n:
		return engine.StateUnknown
	case count[engine.StateReady]+count[engine.StateStarting] == n:
		return engine.StateStarting
	case count[engine.StateReady]+count[engine.StateDegraded]+count[engine.StateStarting] > 0:
		return engine.StateDegraded
	default:
		return engine.StateDown
	}
}

// verdict is nil for a healthy environment, and else says what is not.
func verdict(d Document) error {
	switch d.State {
	case engine.StateReady:
		return nil
	case engine.StateAbsent:
		return &problem.Error{
			What: fmt.Sprintf("the environment %s is not up", d.Environment),
			Next: "run: " + upCommand(d.Environment),
			Kind: problem.Unhealthy,
		}
	}
	var wrong []string
	remedy := ""
	for _, stage := range d.Stages {
		if stage.State == engine.StateReady {
			continue
		}
		wrong = append(wrong, fmt.Sprintf("%s is %s", stage.Name, stage.State))
		if !stage.explained() {
			remedy = "run: " + upCommand(d.Environment) + " (it repairs what it can)"
		}
	}
	return &problem.Error{
		What: fmt.Sprintf("%s is not healthy: %s", d.Environment, strings.Join(wrong, ", ")),
		Next: remedy,
		Kind: problem.Unhealthy,
	}
}

// explained reports whether the stage or a component says what is wrong.
func (s Stage) explained() bool {
	return s.Problem != nil || slices.ContainsFunc(s.Components, Stage.explained)
}

// upCommand is what brings env up.
func upCommand(env string) string {
	if env == "local" {
		return "gmctl up"
	}
	return "gmctl up -e " + env
}
