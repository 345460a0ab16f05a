package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Report is the outcome of a test run. A test with subtests counts beside
// them, as `go test` counts.
type Report struct {
	Passed, Failed, Skipped int
	// Without holds the skipped tests by the reason they gave.
	Without map[string][]string
}

// event is what a line of `go test -json` holds of interest here; see
// `go doc test2json`.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// Read reads the events of a test run.
func Read(events io.Reader) (*Report, error) {
	report := &Report{Without: map[string][]string{}}
	said := map[string]string{}      // output by test
	failedTests := map[string]bool{} // packages with a test that failed
	decoder := json.NewDecoder(events)
	for {
		var e event
		if err := decoder.Decode(&e); errors.Is(err, io.EOF) {
			return report, nil
		} else if err != nil {
			return nil, err
		}
		test := e.Package + "." + e.Test
		switch {
		case e.Test == "":
			// A package that does not compile or exits early fails without a test.
			if e.Action == "fail" && !failedTests[e.Package] {
				report.Failed++
			}
		case e.Action == "output":
			said[test] += e.Output
		case e.Action == "pass":
			report.Passed++
		case e.Action == "fail":
			report.Failed++
			failedTests[e.Package] = true
		case e.Action == "skip":
			report.Skipped++
			reason := reasonOf(said[test])
			report.Without[reason] = append(report.Without[reason], test)
		}
	}
}

// reasonOf is what a test said when it was skipped: its output without the
// lines of the test runner and without the position in the source.
func reasonOf(output string) string {
	var reason []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		if _, rest, ok := strings.Cut(line, ".go:"); ok {
			if _, said, ok := strings.Cut(rest, ": "); ok {
				line = said
			}
		}
		reason = append(reason, line)
	}
	if len(reason) == 0 {
		return "no reason given"
	}
	return strings.Join(reason, "\n")
}

// Print writes the report for a person, its last line for a CI's reader.
func (r *Report) Print(w io.Writer) {
	for _, reason := range slices.Sorted(maps.Keys(r.Without)) {
		tests := r.Without[reason]
		fmt.Fprintf(w, "\nnot run here: %s\n", strings.ReplaceAll(reason, "\n", "\n  "))
		for _, test := range slices.Sorted(slices.Values(tests)) {
			fmt.Fprintf(w, "    %s\n", test)
		}
	}
	fmt.Fprintf(w, "\n%d passed, %d failed, %d skipped\n", r.Passed, r.Failed, r.Skipped)
}
