package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const events = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}
{"Action":"output","Package":"p","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:7: needs kafka: java: not found\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"        to run this test: install Java\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
{"Action":"fail","Package":"p","Test":"TestC"}
{"Action":"fail","Package":"p"}
{"Action":"skip","Package":"q"}
`
	const want = `
not run here: needs kafka: java: not found
  to run this test: install Java
    p.TestB

1 passed, 1 failed, 1 skipped
`
	report, err := Read(strings.NewReader(events))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	report.Print(&out)
	if out.String() != want {
		t.Errorf("got %s\nwant %s", out.String(), want)
	}
}

func TestAPackageThatFailsWithoutATestIsAFailure(t *testing.T) {
	report, err := Read(strings.NewReader(`{"Action":"build-output","ImportPath":"p"}
{"Action":"fail","Package":"p"}
`))
	if err != nil {
		t.Fatal(err)
	}
	if report.Failed != 1 {
		t.Errorf("%d failed, want 1", report.Failed)
	}
}

func TestEventsThatAreCutOffAreAnError(t *testing.T) {
	if _, err := Read(strings.NewReader(`{"Action":"pa`)); err == nil {
		t.Error("no error")
	}
}
