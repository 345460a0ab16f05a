package history

import (
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/render"
)

// Document is the data of a document of the kind History.
type Document struct {
	Environment  string `json:"environment"`
	Runs         []Run  `json:"runs"`                   // newest first
	DamagedLines []int  `json:"damagedLines,omitempty"` // of the journal, from 1
}

// Run is one run; a document of the kind Run holds one.
type Run struct {
	ID             string        `json:"id"` // sorts by time
	Environment    string        `json:"environment"`
	Who            string        `json:"who"` // user@host
	Command        string        `json:"command"`
	Verb           engine.Verb   `json:"verb"`   // apply or destroy
	Status         engine.Status `json:"status"` // started (runs still, or was killed and nothing ran since), done, failed, cancelled or killed
	Started        time.Time     `json:"started"`
	ElapsedSeconds float64       `json:"elapsedSeconds,omitempty"`
	Changes        []string      `json:"changes"`
	Error          string        `json:"error,omitempty"`
	Stages         []Stage       `json:"stages"` // in the order in which they started
}

// Stage is what a run did with one stage.
type Stage struct {
	Name           string        `json:"name"`
	Status         engine.Status `json:"status"`
	Started        time.Time     `json:"started"`
	ElapsedSeconds float64       `json:"elapsedSeconds,omitempty"`
	Changes        []string      `json:"changes"`
	Fingerprint    string        `json:"fingerprint,omitempty"`
	Error          string        `json:"error,omitempty"`
}

func newDocument(env string, runs []engine.Run, damaged []int) Document {
	d := Document{Environment: env, Runs: []Run{}, DamagedLines: damaged}
	for _, run := range runs {
		d.Runs = append(d.Runs, newRun(run))
	}
	return d
}

func newRun(run engine.Run) Run {
	r := Run{
		ID: run.ID, Environment: run.Env, Who: run.Who, Command: run.Command,
		Verb: run.Verb, Status: run.Status, Started: run.Started.UTC(), ElapsedSeconds: run.Elapsed.Seconds(),
		Changes: render.List(run.Changes), Error: run.Error, Stages: []Stage{},
	}
	for _, stage := range run.Stages {
		r.Stages = append(r.Stages, Stage{
			Name: stage.Stage, Status: stage.Status, Started: stage.Started.UTC(),
			ElapsedSeconds: stage.Elapsed.Seconds(), Changes: render.List(stage.Changes),
			Fingerprint: stage.Fingerprint, Error: stage.Error,
		})
	}
	return r
}
