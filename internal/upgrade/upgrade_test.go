//go:build unix

package upgrade_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/upgrade"
)

func TestUpgradeGoesOneMinorAfterTheOtherAndNobodyIsWithoutPods(t *testing.T) {
	w := start(t)
	w.deploy(t, 2, 1)
	graph, err := w.Graph(t.Context(), "1.35")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"config-1.34", "control-plane-1.34", "addons-1.34", "config-1.35", "control-plane-1.35", "addons-1.35",
		"nodes-application-1.35", "nodes-data-1.35", "infra",
	}
	if got := graph.Names(); !slices.Equal(got, want) {
		t.Fatalf("the steps are %v", got)
	}
	findings, err := w.Preflight(t.Context(), "1.35")
	if err != nil || upgrade.Blocking(findings) != nil {
		t.Fatalf("%+v, %v", findings, err)
	}
	least := w.available(t)
	result, err := w.walk(t.Context(), t, graph, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := least(); got < 1 {
		t.Errorf("at one time %d pods were ready", got)
	}
	if !slices.Equal(result.Changed, want) {
		t.Errorf("changed: %v", result.Changed)
	}
	w.upgraded(t, "1.35")

	if graph, err = w.Graph(t.Context(), "1.35"); err != nil {
		t.Fatal(err)
	}
	if again, err := w.walk(t.Context(), t, graph, nil); err != nil || len(again.Changed) > 0 {
		t.Errorf("once more: %+v, %v", again, err)
	}
	_, err = w.Graph(t.Context(), "1.33")
	if p := problem.From(err); p == nil || p.Kind != problem.Usage || !strings.Contains(p.What, "newer than 1.33") {
		t.Errorf("back: %v", err)
	}
}

func TestUpgradeThatWasInterruptedGoesOn(t *testing.T) {
	w := start(t)
	w.deploy(t, 2, 1)
	for _, point := range []struct {
		stage string
		kind  engine.EventKind
	}{
		{"config-1.34", engine.StageDone}, {"control-plane-1.34", engine.StageUpdate}, {"addons-1.34", engine.StageStarted},
		{"nodes-application-1.34", engine.StageUpdate}, {"nodes-data-1.34", engine.StageUpdate}, {"infra", engine.StageStarted},
	} {
		graph, err := w.Graph(t.Context(), "1.34")
		if err != nil {
			t.Fatal(err)
		}
		ctx, interrupt := context.WithCancel(t.Context())
		_, err = w.walk(ctx, t, graph, func(event engine.Event) {
			if event.Stage == point.stage && event.Kind == point.kind {
				interrupt()
			}
		})
		interrupt()
		if p := problem.From(err); p == nil || p.Kind != problem.Cancelled {
			t.Fatalf("interrupted at %s: %v", point.stage, err)
		}
	}
	graph, err := w.Graph(t.Context(), "1.34")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.walk(t.Context(), t, graph, nil); err != nil {
		t.Fatal(err)
	}
	w.upgraded(t, "1.34")
}

func TestBudgetThatNeverLetsGoIsNamedBeforeAndDuringAnUpgrade(t *testing.T) {
	w := start(t)
	w.deploy(t, 2, 0)
	findings, err := w.Preflight(t.Context(), "1.34")
	if err != nil {
		t.Fatal(err)
	}
	named := slices.ContainsFunc(findings, func(finding upgrade.Finding) bool {
		return finding.Blocks && strings.Contains(finding.What, "default/ingestion") && strings.Contains(finding.What, "2 of 2 pods healthy, and 2 must stay so")
	})
	if blocking := upgrade.Blocking(findings); blocking == nil || !named {
		t.Errorf("%+v", findings)
	}

	told := false
	graph, err := w.Graph(t.Context(), "1.34")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.walk(t.Context(), t, graph, func(event engine.Event) {
		told = told || event.Update != nil && strings.Contains(event.Update.Message, "is kept by PodDisruptionBudget ingestion: 2 of 2 pods healthy")
	})
	var p *problem.Error
	if !errors.As(err, &p) {
		t.Fatalf("it ended with %v", err)
	}
	for _, part := range []string{"PodEvictionFailure", "is kept by PodDisruptionBudget ingestion"} {
		if !strings.Contains(p.Error(), part) {
			t.Errorf("%q does not say %s", p.Error(), part)
		}
	}
	if !told || !strings.Contains(p.Next, "--force") {
		t.Errorf("told on the way: %t; next: %s", told, p.Next)
	}

	w.Force = true
	if graph, err = w.Graph(t.Context(), "1.34"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.walk(t.Context(), t, graph, nil); err != nil {
		t.Fatal(err)
	}
	w.upgraded(t, "1.34")
}
