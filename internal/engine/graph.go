package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Graph is a set of stages in the order of their needs.
type Graph struct {
	nodes []Node         // topological
	index map[string]int // into nodes
}

// NewGraph checks that the nodes make a graph: each name once, each need there,
// each stage present, no cycle.
func NewGraph(nodes ...Node) (*Graph, error) {
	byName := make(map[string]Node, len(nodes))
	for _, node := range nodes {
		switch _, twice := byName[node.Name]; {
		case node.Name == "":
			return nil, invalidGraph("a stage has no name")
		case node.Stage == nil:
			return nil, invalidGraph("stage %s does nothing", node.Name)
		case twice:
			return nil, invalidGraph("stage %s is there twice", node.Name)
		}
		byName[node.Name] = node
	}
	for _, node := range nodes {
		for _, need := range node.Needs {
			if _, ok := byName[need]; !ok {
				return nil, invalidGraph("stage %s needs %s, which does not exist%s",
					node.Name, need, didYouMean(need, names(nodes)))
			}
		}
	}
	ordered := sortByNeeds(nodes)
	if len(ordered) < len(nodes) {
		return nil, invalidGraph("stages need each other in a circle: %s", strings.Join(cycle(nodes, ordered), " → "))
	}
	g := &Graph{nodes: ordered, index: make(map[string]int, len(ordered))}
	for i, node := range ordered {
		g.index[node.Name] = i
	}
	return g, nil
}

func invalidGraph(format string, args ...any) error {
	return &problem.Error{What: "the stages make no graph: " + fmt.Sprintf(format, args...)}
}

// Nodes returns the stages so that each comes after all that it needs. Stages
// that do not depend on each other keep the order in which they were given.
func (g *Graph) Nodes() []Node { return slices.Clone(g.nodes) }

// Names returns the stages' names in the order of Nodes.
func (g *Graph) Names() []string { return names(g.nodes) }

// Node returns the stage called name.
func (g *Graph) Node(name string) (Node, bool) {
	i, ok := g.index[name]
	if !ok {
		return Node{}, false
	}
	return g.nodes[i], true
}

// Dependents returns the names of the stages that need name directly, in the
// order of Nodes.
func (g *Graph) Dependents(name string) []string {
	var dependents []string
	for _, node := range g.nodes {
		if slices.Contains(node.Needs, name) {
			dependents = append(dependents, node.Name)
		}
	}
	return dependents
}

func names(nodes []Node) []string {
	all := make([]string, len(nodes))
	for i, node := range nodes {
		all[i] = node.Name
	}
	return all
}

// sortByNeeds takes, again and again, the first node whose needs are all taken.
// What is part of a cycle, or needs one, is left out.
func sortByNeeds(nodes []Node) []Node {
	taken := make(map[string]bool, len(nodes))
	ordered := make([]Node, 0, len(nodes))
	for range nodes {
		i := slices.IndexFunc(nodes, func(node Node) bool {
			return !taken[node.Name] && !slices.ContainsFunc(node.Needs, func(need string) bool { return !taken[need] })
		})
		if i < 0 {
			break
		}
		taken[nodes[i].Name] = true
		ordered = append(ordered, nodes[i])
	}
	return ordered
}

// cycle follows needs among the nodes that could not be ordered until a name
// comes again; it returns the way from that name back to itself.
func cycle(nodes, ordered []Node) []string {
	left := make(map[string]Node)
	for _, node := range nodes {
		left[node.Name] = node
	}
	for _, node := range ordered {
		delete(left, node.Name)
	}
	at := nodes[slices.IndexFunc(nodes, func(node Node) bool { _, ok := left[node.Name]; return ok })].Name
	var way []string
	for !slices.Contains(way, at) {
		way = append(way, at)
		needs := left[at].Needs
		at = needs[slices.IndexFunc(needs, func(need string) bool { _, ok := left[need]; return ok })]
	}
	return append(way[slices.Index(way, at):], at)
}
