package engine

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Run is the story of one run, as a journal tells it.
type Run struct {
	ID      string
	Env     string
	Who     string
	Command string
	Verb    Verb
	Status  Status // StatusStarted: not ended, and no later run began
	Started time.Time
	Elapsed time.Duration // 0 while Status is StatusStarted; of a killed run: to its last record
	Changes []string      // how many stages ended how
	Error   string
	Stages  []StageRun // in the order in which they started

	last time.Time // of its latest record
}

// StageRun is what a run did with one stage.
type StageRun struct {
	Stage       string
	Verb        Verb
	Status      Status
	Started     time.Time
	Elapsed     time.Duration
	Fingerprint string
	Changes     []string
	Error       string
}

// Filter picks runs. The zero value picks all.
type Filter struct {
	Run   string    // the run's id, or how it begins
	Stage string    // runs that touched this stage, and of those only this stage
	Since time.Time // runs that started then or later
}

// Runs returns the runs that filter picks, oldest first.
func (l Log) Runs(filter Filter) []Run {
	var picked []Run
	for _, run := range l.runs() {
		if !strings.HasPrefix(run.ID, filter.Run) || run.Started.Before(filter.Since) {
			continue
		}
		if filter.Stage != "" {
			run.Stages = slices.DeleteFunc(run.Stages, func(s StageRun) bool { return s.Stage != filter.Stage })
			if len(run.Stages) == 0 {
				continue
			}
		}
		picked = append(picked, run)
	}
	return picked
}

func (l Log) runs() []Run {
	var order []string
	byID := make(map[string]*Run)
	for _, record := range l.Records {
		run := byID[record.Run]
		if run == nil {
			run = &Run{
				ID: record.Run, Env: record.Env, Who: record.Who, Command: record.Command,
				Verb: record.Verb, Status: StatusStarted, Started: record.Time,
			}
			byID[record.Run] = run
			order = append(order, record.Run)
		}
		run.add(record)
	}
	all := make([]Run, len(order))
	for i, id := range order {
		all[i] = *byID[id]
		all[i].settle(i < len(order)-1)
	}
	return all
}

// add tells the run what its next record says.
func (r *Run) add(record Record) {
	r.last = record.Time
	switch {
	case record.Stage != "":
		r.addStage(record)
	case record.Status != StatusStarted:
		r.Status, r.Elapsed, r.Changes, r.Error = record.Status, record.Elapsed, record.Changes, record.Error
	}
}

func (r *Run) addStage(record Record) {
	i := slices.IndexFunc(r.Stages, func(s StageRun) bool { return s.Stage == record.Stage && s.Status == StatusStarted })
	if i < 0 {
		r.Stages = append(r.Stages, StageRun{
			Stage: record.Stage, Verb: record.Verb, Status: record.Status, Started: record.Time.Add(-record.Elapsed),
			Elapsed: record.Elapsed, Fingerprint: record.Fingerprint, Changes: record.Changes, Error: record.Error,
		})
		return
	}
	r.Stages[i].Status, r.Stages[i].Elapsed, r.Stages[i].Error = record.Status, record.Elapsed, record.Error
}

// settle calls killed what can no longer end: a run that a later one followed,
// and what a run that ended never ended.
func (r *Run) settle(followed bool) {
	if r.Status == StatusStarted && !followed {
		return
	}
	if r.Status == StatusStarted {
		r.Status, r.Elapsed = StatusKilled, r.last.Sub(r.Started)
	}
	for i := range r.Stages {
		if r.Stages[i].Status == StatusStarted {
			r.Stages[i].Status = StatusKilled
		}
	}
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * float64(time.Second))) }
