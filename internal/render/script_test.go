package render

import (
	"errors"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
)

var epoch = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

// clock is a time that only a test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// moment is an event at a number of milliseconds after the epoch.
type moment struct {
	ms    int
	event engine.Event
}

// script is a run: what happens, in order.
type script []moment

func (s script) play(c *clock, handle func(engine.Event), after func()) {
	for _, m := range s {
		c.now = epoch.Add(time.Duration(m.ms) * time.Millisecond)
		e := m.event
		e.Time, e.Env, e.Run = c.now, "local", "r1"
		if e.Verb == "" {
			e.Verb = engine.VerbApply
		}
		handle(e)
		after()
	}
}

func says(stage string, u engine.Update) engine.Event {
	return engine.Event{Kind: engine.StageUpdate, Stage: stage, Update: &u}
}

func ended(kind engine.EventKind, stage string, ms int) engine.Event {
	return engine.Event{Kind: kind, Stage: stage, Elapsed: time.Duration(ms) * time.Millisecond}
}

var stages = []string{"supervisor", "postgres", "kafka", "schema", "topics", "ingestion", "smoke"}

// good is a run in which all goes well, with one warning.
var good = script{
	{0, engine.Event{Kind: engine.RunStarted, Stages: stages}},
	{2, ended(engine.StageUnchanged, "supervisor", 2)},
	{4, engine.Event{Kind: engine.StageStarted, Stage: "postgres"}},
	{5, engine.Event{Kind: engine.StageStarted, Stage: "kafka"}},
	{6, says("postgres", engine.Update{Kind: engine.UpdateProgress, Message: "creating the database files"})},
	{300, says("kafka", engine.Update{Kind: engine.UpdateWarning, Message: "port 9092 is taken, using 9093"})},
	{310, says("kafka", engine.Update{Kind: engine.UpdateWarning, Message: "port 9092 is taken, using 9093"})},
	{420, ended(engine.StageDone, "kafka", 415)},
	{430, engine.Event{Kind: engine.StageStarted, Stage: "topics"}},
	{440, says("topics", engine.Update{Kind: engine.UpdateProgress, Message: "creating topics", Done: 1, Total: 6, Unit: "topics"})},
	{520, says("topics", engine.Update{Kind: engine.UpdateProgress, Message: "creating topics", Done: 4, Total: 6, Unit: "topics"})},
	{600, says("postgres", engine.Update{Kind: engine.UpdateWaiting, Message: "PostgreSQL to answer on port 5432", Usually: 2 * time.Second})},
	{700, says("postgres", engine.Update{Kind: engine.UpdateWaiting, Message: "PostgreSQL to answer on port 5432", Usually: 2 * time.Second})},
	{800, says("topics", engine.Update{Kind: engine.UpdateProgress, Message: "creating topics", Done: 6, Total: 6, Unit: "topics"})},
	{810, ended(engine.StageDone, "topics", 380)},
	{1500, ended(engine.StageDone, "postgres", 1496)},
	{1510, engine.Event{Kind: engine.StageStarted, Stage: "schema"}},
	{1550, says("schema", engine.Update{Kind: engine.UpdateProgress, Message: "applied 3 migrations"})},
	{1600, ended(engine.StageDone, "schema", 90)},
	{1610, engine.Event{Kind: engine.StageStarted, Stage: "ingestion"}},
	{1900, ended(engine.StageDone, "ingestion", 290)},
	{1905, ended(engine.StageExcluded, "smoke", 0)},
	{1910, ended(engine.RunDone, "", 1910)},
}

// bad is a run in which a stage fails and what needs it is not tried.
var bad = func() script {
	p := &problem.Error{
		What:  "PostgreSQL did not become ready",
		Cause: errors.New("could not bind IPv4 address \"127.0.0.1\": Address already in use"),
		Next:  "stop what listens on port 5432, or set environments.local.local.postgres.port in gmctl.yaml",
	}
	return script{
		{0, engine.Event{Kind: engine.RunStarted, Stages: stages}},
		{2, ended(engine.StageUnchanged, "supervisor", 2)},
		{4, engine.Event{Kind: engine.StageStarted, Stage: "postgres"}},
		{5, engine.Event{Kind: engine.StageStarted, Stage: "kafka"}},
		{6, says("postgres", engine.Update{Kind: engine.UpdateProgress, Message: "starting PostgreSQL"})},
		{420, ended(engine.StageDone, "kafka", 415)},
		{2300, engine.Event{Kind: engine.StageFailed, Stage: "postgres", Elapsed: 2296 * time.Millisecond, Problem: p}},
		{2301, engine.Event{Kind: engine.StageBlocked, Stage: "schema", BlockedBy: "postgres"}},
		{2302, engine.Event{Kind: engine.StageBlocked, Stage: "ingestion", BlockedBy: "postgres"}},
		{2303, engine.Event{Kind: engine.StageBlocked, Stage: "smoke", BlockedBy: "postgres"}},
		{2303, ended(engine.StageDone, "topics", 90)},
		{2310, engine.Event{Kind: engine.RunDone, Elapsed: 2310 * time.Millisecond, Problem: p}},
	}
}()

// interrupted is a run that the user ended with Ctrl-C.
var interrupted = script{
	{0, engine.Event{Kind: engine.RunStarted, Stages: stages[:3]}},
	{4, engine.Event{Kind: engine.StageStarted, Stage: "supervisor"}},
	{400, ended(engine.StageDone, "supervisor", 396)},
	{410, engine.Event{Kind: engine.StageStarted, Stage: "postgres"}},
	{420, says("postgres", engine.Update{Kind: engine.UpdateWaiting, Message: "waiting for port 5432", Usually: time.Second})},
	{5000, ended(engine.StageCancelled, "postgres", 4590)},
	{5001, engine.Event{Kind: engine.RunDone, Elapsed: 5001 * time.Millisecond, Problem: &problem.Error{
		What: "interrupted", Next: "run: gmctl up (it goes on where it stopped)", Kind: problem.Cancelled,
	}}},
}

// nothing is a run that found nothing to do.
var nothing = script{
	{0, engine.Event{Kind: engine.RunStarted, Stages: stages[:2]}},
	{30, ended(engine.StageUnchanged, "supervisor", 30)},
	{60, ended(engine.StageUnchanged, "postgres", 30)},
	{61, ended(engine.RunDone, "", 61)},
}

// gone is a teardown.
var gone = script{
	{0, engine.Event{Kind: engine.RunStarted, Stages: []string{"kafka", "postgres"}, Verb: engine.VerbDestroy}},
	{1, engine.Event{Kind: engine.StageStarted, Stage: "kafka", Verb: engine.VerbDestroy}},
	{200, engine.Event{Kind: engine.StageDone, Stage: "kafka", Elapsed: 199 * time.Millisecond, Verb: engine.VerbDestroy}},
	{201, engine.Event{Kind: engine.StageUnchanged, Stage: "postgres", Verb: engine.VerbDestroy}},
	{202, engine.Event{Kind: engine.RunDone, Elapsed: 202 * time.Millisecond, Verb: engine.VerbDestroy}},
}

var scripts = map[string]script{
	"good": good, "bad": bad, "interrupted": interrupted, "nothing": nothing, "gone": gone,
}
