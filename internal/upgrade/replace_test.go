//go:build unix

package upgrade_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/capacity"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/upgrade"
)

// replaced checks that application is of another type, and one group.
func (w *world) replaced(t *testing.T, instanceType string) {
	t.Helper()
	groups, err := w.EKS.NodeGroups(t.Context())
	if err != nil || len(groups) != 2 {
		t.Fatalf("%+v, %v", groups, err)
	}
	// As Terraform makes it of the prefix "application-".
	if got := groups[0]; !regexp.MustCompile(`^application-\d{26}$`).MatchString(got.Name) || got.Title != "application" || got.Desired != 2 || got.InstanceTypes[0] != instanceType {
		t.Errorf("%+v", got)
	}
	nodes, err := w.Kubernetes.Nodes(t.Context())
	if err != nil || len(nodes) != 4 {
		t.Fatalf("%d nodes, %v", len(nodes), err)
	}
	for _, node := range nodes {
		if node.Labels["group"] == "application" && (node.InstanceType != instanceType || node.Group != groups[0].Name || node.Cordoned) {
			t.Errorf("%+v", node)
		}
	}
	if got := w.settings.types["application"]; got != instanceType {
		t.Errorf("gmctl.yaml says %s", got)
	}
}

func TestReplaceMakesTheNewNodesFirst(t *testing.T) {
	w := start(t)
	w.deploy(t, 2, 1)
	if findings, err := w.PreflightReplace(t.Context(), "application", "t3.medium"); err != nil || len(findings) > 0 {
		t.Errorf("%+v, %v", findings, err)
	}
	graph, err := w.Replace(t.Context(), "application", "t3.medium", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	least := w.available(t)
	if _, err := w.walk(t.Context(), t, graph, nil); err != nil {
		t.Fatal(err)
	}
	if got := least(); got < 1 {
		t.Errorf("at one time %d pods were ready", got)
	}
	w.replaced(t, "t3.medium")

	if graph, err = w.Replace(t.Context(), "application", "t3.medium", time.Now()); err != nil {
		t.Fatal(err)
	}
	if again, err := w.walk(t.Context(), t, graph, nil); err != nil || len(again.Changed) > 0 {
		t.Errorf("once more: %+v, %v", again, err)
	}
	_, err = w.Replace(t.Context(), "aplication", "t3.medium", time.Now())
	if p := problem.From(err); p == nil || p.Kind != problem.Usage || !strings.Contains(p.Next, "application data") {
		t.Errorf("a group that is not there: %v", err)
	}
}

func TestPreflightOfAReplacementNamesWhatStandsInTheWay(t *testing.T) {
	w := start(t)
	w.deploy(t, 2, 0)
	w.Place = func(_ context.Context, title, instanceType string, nodes int) ([]capacity.Finding, error) {
		return []capacity.Finding{{
			Reason: fmt.Sprintf("ingestion has no place on %s (%d × %s)", title, nodes, instanceType),
			Remedy: capacity.Remedy{Group: title, InstanceType: "t3.small"},
		}}, nil
	}
	findings, err := w.PreflightReplace(t.Context(), "application", "t4g.micro")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []upgrade.Finding{
		{Blocks: true, What: "t4g.micro is arm64, and the image of the nodes of application is for amd64", Next: "choose a type of the same architecture"},
		{Blocks: true, What: "ingestion has no place on application (2 × t4g.micro)", Next: "use t3.small for application"},
		{
			Blocks: true, What: "PodDisruptionBudget default/ingestion lets no node be drained: 2 of 2 pods healthy, and 2 must stay so",
			Next: "give the workload another replica or the budget more room",
		},
	} {
		if !slices.Contains(findings, want) {
			t.Errorf("%+v is not among %+v", want, findings)
		}
	}
}

func TestReplacementThatWasInterruptedGoesOn(t *testing.T) {
	w := start(t)
	w.deploy(t, 2, 1)
	for _, at := range []string{"create", "drain", "config", "delete"} {
		ctx, interrupt := context.WithCancel(t.Context())
		graph, err := w.Replace(ctx, "application", "t3.medium", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.walk(ctx, t, graph, func(event engine.Event) {
			if event.Stage == "replace-application-"+at && event.Kind != engine.StageUnchanged {
				interrupt()
			}
		})
		interrupt()
		if p := problem.From(err); p == nil || p.Kind != problem.Cancelled {
			t.Fatalf("interrupted at %s: %v", at, err)
		}
		if at == "drain" { // an upgrade would not know which of the two is meant
			if _, err := w.Graph(t.Context(), "1.34"); err == nil || !strings.Contains(err.Error(), "two node groups application") {
				t.Errorf("an upgrade meanwhile: %v", err)
			}
		}
	}
	graph, err := w.Replace(t.Context(), "application", "t3.medium", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.walk(t.Context(), t, graph, nil); err != nil {
		t.Fatal(err)
	}
	w.replaced(t, "t3.medium")
}
