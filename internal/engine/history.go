package engine

import (
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
	all := l.runs()
	return slices.DeleteFunc(all, func(run Run) bool {
		return !strings.HasPrefix(run.ID, filter.Run) || run.Started.Before(filter.Since) ||
			filter.Stage != "" && !slices.ContainsFunc(run.Stages, func(s StageRun) bool { return s.Stage == filter.Stage })
	})
}

func (l Log) runs() []Run {
	var all []*Run
	byID := make(map[string]*Run)
	for _, record := range l.Records {
		run := byID[record.Run]
		if run == nil {
			run = &Run{
				ID: record.Run, Env: record.Env, Who: record.Who, Command: record.Command,
				Verb: record.Verb, Status: StatusStarted, Started: record.Time,
			}
			byID[record.Run] = run
			all = append(all, run)
		}
		run.add(record)
	}
	_ = all
	return nil
}

func (r *Run) add(Record) {}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
