package engine

import (
	"context"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// idle is a stage that has nothing to do.
type idle struct{}

func (idle) Plan(context.Context, Goal) (Plan, error) { return Plan{}, nil }
func (idle) Apply(context.Context, Reporter) error    { return nil }
func (idle) Check(context.Context) (Health, error)    { return Health{State: StateReady}, nil }
func (idle) Destroy(context.Context, Reporter) error  { return nil }
func idleNodes(nodes ...Node) []Node {
	for i := range nodes {
		nodes[i].Stage = idle{}
	}
	return nodes
}

func TestGraphRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		nodes []Node
		says  string
	}{
		"a need that is not there":    {idleNodes(need("kafka"), need("topics", "kafak")), "stage topics needs kafak, which does not exist, did you mean kafka?"},
		"a stage that is there twice": {idleNodes(need("kafka"), need("kafka")), "stage kafka is there twice"},
		"a stage without a name":      {idleNodes(need("")), "a stage has no name"},
		"a stage that does nothing":   {[]Node{{Name: "kafka"}}, "stage kafka does nothing"},
		"a stage that needs itself":   {idleNodes(need("kafka", "kafka")), "kafka → kafka"},
		"a circle, and not the way to it": {
			idleNodes(need("ok"), need("d", "c"), need("a", "ok", "c"), need("b", "a"), need("c", "b")), "in a circle: c → b → a → c",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewGraph(c.nodes...)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, want %q", err, c.says)
			}
		})
	}
}

func TestGraphOrder(t *testing.T) {
	graph, err := NewGraph(idleNodes(need("smoke", "relay"), need("kafka"), need("relay", "schema", "kafka"), need("postgres"), need("schema", "postgres"))...)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := graph.Names(), []string{"kafka", "postgres", "schema", "relay", "smoke"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	if got, want := graph.Dependents("kafka"), []string{"relay"}; !slices.Equal(got, want) {
		t.Errorf("kafka is needed by %v, want %v", got, want)
	}
	if node, ok := graph.Node("schema"); !ok || node.Name != "schema" {
		t.Errorf("schema is %+v, %t", node, ok)
	}
}

// Every graph without a circle is ordered by its needs, the same way each time;
// a back edge anywhere makes a circle, and is named.
func TestAnyGraphOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := idleNodes(drawNodes(t)...)
		graph, err := NewGraph(nodes...)
		if err != nil {
			t.Fatal(err)
		}
		order := graph.Names()
		for _, node := range nodes {
			for _, name := range node.Needs {
				if slices.Index(order, name) > slices.Index(order, node.Name) {
					t.Fatalf("%s before %s it needs: %v", node.Name, name, order)
				}
			}
		}
		again, err := NewGraph(graph.Nodes()...)
		if err != nil || !slices.Equal(again.Names(), order) {
			t.Fatalf("the order is not stable: %v, then %v (%v)", order, again.Names(), err)
		}
		i := rapid.IntRange(0, len(nodes)-1).Draw(t, "closes a circle")
		if len(nodes[i].Needs) == 0 {
			return
		}
		closes := slices.IndexFunc(nodes, func(n Node) bool { return n.Name == nodes[i].Needs[0] })
		nodes[closes].Needs = append(slices.Clone(nodes[closes].Needs), nodes[i].Name)
		if _, err := NewGraph(nodes...); err == nil || !strings.Contains(err.Error(), "in a circle") {
			t.Fatalf("a circle is not seen: %v", err)
		}
	})
}

func TestSelection(t *testing.T) {
	graph, err := NewGraph(idleNodes(platformShape()...)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		selection Selection
		chosen    string // or the error
		next      string
	}{
		{Selection{}, "supervisor postgres kafka schema topics ingestion relay smoke", ""},
		{Selection{Only: []string{"kafka", "postgres"}}, "postgres kafka", ""},
		{Selection{Skip: []string{"smoke"}}, "supervisor postgres kafka schema topics ingestion relay", ""},
		{Selection{Only: []string{"kafka", "smoke"}, Skip: []string{"smoke"}}, "kafka", ""},
		{Selection{Only: []string{"posgres"}}, `--only: there is no stage "posgres", did you mean postgres?`, "choose from: supervisor, postgres, kafka, schema, topics, ingestion, relay, smoke"},
		{Selection{Skip: []string{"ingest"}}, `--skip: there is no stage "ingest", did you mean ingestion?`, "choose from: supervisor, postgres, kafka, schema, topics, ingestion, relay, smoke"},
		{Selection{Skip: []string{"redis"}}, `--skip: there is no stage "redis"`, "choose from: supervisor, postgres, kafka, schema, topics, ingestion, relay, smoke"},
		{Selection{Only: []string{"kafka"}, Skip: []string{"kafka"}}, "--only and --skip leave no stage", "choose from: supervisor, postgres, kafka, schema, topics, ingestion, relay, smoke"},
	} {
		chosen, err := graph.choose(c.selection)
		if p := problem.From(err); p != nil {
			if p.What != c.chosen || p.Next != c.next || p.Kind != problem.Usage {
				t.Errorf("%+v: %+v, want %s", c.selection, p, c.chosen)
			}
			continue
		}
		got := slices.DeleteFunc(graph.Names(), func(name string) bool { return !chosen[name] })
		if strings.Join(got, " ") != c.chosen {
			t.Errorf("%+v chooses %v, want %s", c.selection, got, c.chosen)
		}
	}
}
