// Package doctor looks at the machine that an environment is to run on and
// says what is missing, why it matters and how to get it. It changes nothing.
//
// A check is a value: a name and a look at a Machine, which a test invents.
package doctor

import (
	"context"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/paths"
)

// Status is what a check concludes.
type Status string

const (
	OK       Status = "ok"
	Optional Status = "optional" // not there, and only some want it
	Warning  Status = "warning"  // works, with something to know
	Missing  Status = "missing"  // the environment cannot run like this
)

// Finding is what a check found.
type Finding struct {
	Status Status `json:"status"`
	Found  string `json:"found"`          // in a few words
	Why    string `json:"why,omitempty"`  // what is wrong with it; empty if nothing
	Next   string `json:"next,omitempty"` // what to do about it
}

// Check is one look at the machine.
type Check struct {
	Name string
	Look func(context.Context, Machine, Subject) Finding
}

// Result is a check's finding under its name.
type Result struct {
	Check string `json:"check"`
	Finding
}

// Subject is the environment that is to run on the machine.
type Subject struct {
	Env      string
	Provider config.Provider
	Dirs     paths.Dirs
	DataDir  string // of PostgreSQL; on AWS Terraform's
	Config   config.Local
	AWS      config.AWS
	Built    time.Time // when gmctl was; zero if not known
}

// Checks lists what is looked at for a platform on the machine itself, in the
// order it is told.
func Checks() []Check {
	return []Check{
		{"system", checkSystem},
		{"processors", checkProcessors},
		{"memory", checkMemory},
		{"disk", checkDisk},
		{"directories", checkDirectories},
		{"file limit", checkFileLimit},
		{"clock", checkClock},
		{"user", checkUser},
		{"PostgreSQL", checkPostgres},
		{"port postgres", checkPort("postgres", func(l config.Local) int { return l.Postgres.Port })},
		{"port kafka", checkKafka},
		{"port ingestion", checkPort("ingestion", func(l config.Local) int { return l.Ingestion.Port })},
		{"leftovers", checkLeftovers},
		{"terraform", checkTool("terraform", "for environments in the cloud", "install it from https://developer.hashicorp.com/terraform/install", "version")},
		{"java", checkTool("java", "for the tests against a real Kafka", "install Java 17 or later", "-version")},
		{"mvn", checkTool("mvn", "for the tests against a real Kafka", "install Apache Maven", "--version")},
	}
}

// For lists what is looked at for the subject.
func For(subject Subject) []Check {
	if subject.Provider == config.ProviderAWS {
		return AWSChecks()
	}
	return Checks()
}

// Run makes all checks at the same time and returns their results in order.
func Run(ctx context.Context, checks []Check, machine Machine, subject Subject) []Result {
	results := make([]Result, len(checks))
	var wait sync.WaitGroup
	for i, check := range checks {
		wait.Go(func() { results[i] = Result{check.Name, check.Look(ctx, machine, subject)} })
	}
	wait.Wait()
	return results
}

// Lacking returns the results that keep the environment from running.
func Lacking(results []Result) []Result {
	var lacking []Result
	for _, result := range results {
		if result.Status == Missing {
			lacking = append(lacking, result)
		}
	}
	return lacking
}
