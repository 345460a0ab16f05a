package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Any graph, run any number of times with failures, panics, interruptions and
// kills at any moment, keeps the rules of a walk; and the first run that nothing
// disturbs completes it.
func TestAnyRunResumes(t *testing.T) {
	dir := t.TempDir()
	count := 0
	rapid.Check(t, func(rt *rapid.T) {
		count++
		path := filepath.Join(dir, fmt.Sprint(count))
		w := newWorld(rt, drawNodes(rt)...)
		for _, name := range w.graph.Names() {
			w.things[name].blind = rapid.Bool().Draw(rt, name+" blind")
		}
		for range rapid.IntRange(0, 6).Draw(rt, "disturbed runs") {
			disturbedRun(t, rt, w, path)
			w.report(rt)
		}
		verb := rapid.SampledFrom([]Verb{VerbApply, VerbDestroy}).Draw(rt, "last verb")
		undisturbedRun(t, rt, w, path, verb)
		log, err := w.journal(t, path).Read()
		if err != nil || len(log.Damaged) > 6 {
			rt.Fatalf("the journal: %v, damaged %v", err, log.Damaged)
		}
		if err := os.Remove(path); err != nil {
			rt.Fatal(err)
		}
	})
}

// drawNodes draws a graph of up to nine stages, in an order of its own.
func drawNodes(rt *rapid.T) []Node {
	var nodes []Node
	for i := range rapid.IntRange(1, 9).Draw(rt, "stages") {
		node := Node{Name: string(rune('a' + i))}
		for _, earlier := range nodes {
			if rapid.IntRange(0, 2).Draw(rt, node.Name+" needs "+earlier.Name) == 0 {
				node.Needs = append(node.Needs, earlier.Name)
			}
		}
		nodes = append(nodes, node)
	}
	return rapid.Permutation(nodes).Draw(rt, "order")
}

func disturbedRun(t *testing.T, rt *rapid.T, w *world, path string) {
	w.begin()
	w.faults = make(map[string]fault)
	for _, name := range w.graph.Names() {
		w.faults[name] = rapid.SampledFrom([]fault{
			"", "", "", "", failsAtOnce, failsHalfDone, failsWhenDone, panics, failsToPlan,
		}).Draw(rt, name+" fails")
		if rapid.IntRange(0, 5).Draw(rt, name+" new version") == 0 {
			w.things[name].wanted += "'"
		}
	}
	w.killAt = rapid.IntRange(0, 5*len(w.things)).Draw(rt, "kill at")
	w.tornAt = rapid.IntRange(0, 400).Draw(rt, "torn at")
	w.cancelAt = rapid.SampledFrom([]int{0, 0, 3, 7, 15}).Draw(rt, "cancel at")
	verb := rapid.SampledFrom([]Verb{VerbApply, VerbApply, VerbDestroy}).Draw(rt, "verb")
	some := rapid.SliceOfN(rapid.SampledFrom(w.graph.Names()), 0, 3)
	selection := Selection{Only: some.Draw(rt, "only"), Skip: some.Draw(rt, "skip")}
	before := w.settled()
	result, events, err := w.walk(t, path, verb, selection, rapid.IntRange(1, 4).Draw(rt, "parallelism"))
	w.judgeRepeats(before, verb)
	if result == nil || w.dead {
		return
	}
	if succeeded := err == nil; succeeded != (len(result.Changed)+len(result.Unchanged)+len(result.Excluded) == len(w.things)) {
		w.breaks("%+v was returned with %v", result, err)
	}
	if p := events.last("").Problem; (p == nil) != (err == nil) || err != nil && !errors.Is(err, p) {
		w.breaks("the last event says %v, the run returned %v", p, err)
	}
}

func undisturbedRun(t *testing.T, rt *rapid.T, w *world, path string, verb Verb) {
	w.begin()
	before := w.settled()
	_, _, err := w.walk(t, path, verb, Selection{}, 4)
	if err != nil {
		rt.Fatalf("a run that nothing disturbed: %v", err)
	}
	w.judgeRepeats(before, verb)
	w.report(rt)
	if err := w.complete(verb); err != nil {
		rt.Fatal(err)
	}
	w.begin()
	result, _, err := w.walk(t, path, verb, Selection{}, 4)
	if err != nil || len(w.calls) > 0 || len(result.Unchanged) != len(w.things) {
		rt.Fatalf("again when all is done: %v, %+v, %v", err, result, w.calls)
	}
}

// settled are the stages that need no second Apply: the journal has it that
// they were applied, and from what is wanted now.
func (w *world) settled() []string {
	return slices.DeleteFunc(w.graph.Names(), func(name string) bool {
		is := w.things[name]
		return is.recorded.Verb != VerbApply || is.recorded.Status != StatusDone || is.version != is.wanted
	})
}

func (w *world) judgeRepeats(settled []string, verb Verb) {
	for _, name := range settled {
		if slices.Contains(w.calls, "apply "+name) && verb == VerbApply {
			w.breaks("%s was complete and is applied again", name)
		}
	}
	for i, call := range w.calls {
		if slices.Contains(w.calls[:i], call) {
			w.breaks("%s twice in one run", call)
		}
	}
}

func (w *world) report(t interface{ Fatalf(string, ...any) }) {
	if len(w.broken) > 0 {
		t.Fatalf("rules broken:\n%s", strings.Join(w.broken, "\n"))
	}
}

// Every moment of one run over the platform's own shape of graph is a moment to
// be killed at.
func TestKilledAtEveryMoment(t *testing.T) {
	dir := t.TempDir()
	for killAt := 1; ; killAt++ {
		path := filepath.Join(dir, fmt.Sprint(killAt))
		w := newWorld(t, platformShape()...)
		w.killAt, w.tornAt = killAt, killAt*7%50
		_, _, err := w.up(t, path, Selection{})
		if !w.dead {
			if err != nil || killAt < 30 {
				t.Fatalf("after %d moments: %v", killAt, err)
			}
			return
		}
		before := w.settled()
		w.begin()
		if _, _, err := w.up(t, path, Selection{}); err != nil {
			t.Fatalf("killed at %d, then: %v", killAt, err)
		}
		w.judgeRepeats(before, VerbApply)
		w.report(t)
		if err := w.complete(VerbApply); err != nil {
			t.Fatalf("killed at %d: %v", killAt, err)
		}
	}
}

func platformShape() []Node {
	return []Node{
		need("supervisor"), need("postgres", "supervisor"), need("kafka", "supervisor"), need("schema", "postgres"),
		need("topics", "kafka"), need("ingestion", "schema"), need("relay", "schema", "topics"), need("smoke", "ingestion", "relay"),
	}
}

// A journal cut off at any byte is read up to there, healed, and gone on with.
func TestJournalCutAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "whole")
	w := newWorld(t, need("a"), need("b", "a"))
	if _, _, err := w.up(t, path, Selection{}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range whole {
		path := filepath.Join(dir, "cut")
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		journal := w.journal(t, path)
		log, err := journal.Read()
		lines := strings.Count(string(whole[:cut]), "\n")
		if err != nil || len(log.Records) < lines || len(log.Damaged) > 1 {
			t.Fatalf("cut at %d: %d records of %d lines, damaged %v, %v", cut, len(log.Records), lines, log.Damaged, err)
		}
		w.begin()
		if _, _, err := w.up(t, path, Selection{}); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		after, err := journal.Read()
		if err != nil || len(after.Records) < len(log.Records)+2 || !slices.Equal(after.Damaged, log.Damaged) {
			t.Fatalf("cut at %d, gone on with: %d records, damaged %v (before: %v), %v", cut, len(after.Records), after.Damaged, log.Damaged, err)
		}
		if healed, _ := os.ReadFile(path); string(healed[:cut]) != string(whole[:cut]) {
			t.Fatalf("cut at %d: something was deleted", cut)
		}
	}
}
