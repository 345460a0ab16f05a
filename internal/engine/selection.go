package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Selection narrows a run to some stages. The zero value selects all.
//
// A selected stage still runs only after what it needs: where a need is left
// out, the engine looks whether it is in place, and fails the stage if it is not.
type Selection struct {
	Only []string // just these; empty: all
	Skip []string // not these, also where Only names them
}

// choose returns the selected names. An unknown name is a problem.Usage.
func (g *Graph) choose(selection Selection) (map[string]bool, error) {
	for _, flag := range []struct {
		name  string
		given []string
	}{{"--only", selection.Only}, {"--skip", selection.Skip}} {
		for _, name := range flag.given {
			if _, ok := g.index[name]; ok {
				continue
			}
			return nil, &problem.Error{
				What: fmt.Sprintf("%s: there is no stage %q%s", flag.name, name, didYouMean(name, g.Names())),
				Next: "choose from: " + strings.Join(g.Names(), ", "),
				Kind: problem.Usage,
			}
		}
	}
	chosen := make(map[string]bool, len(g.nodes))
	for _, name := range g.Names() {
		if (len(selection.Only) == 0 || slices.Contains(selection.Only, name)) && !slices.Contains(selection.Skip, name) {
			chosen[name] = true
		}
	}
	if len(chosen) == 0 && len(g.nodes) > 0 {
		return nil, &problem.Error{
			What: "--only and --skip leave no stage",
			Next: "choose from: " + strings.Join(g.Names(), ", "),
			Kind: problem.Usage,
		}
	}
	return chosen, nil
}

// didYouMean returns ", did you mean X?" for the candidate nearest to word, or
// nothing where none is near.
func didYouMean(word string, candidates []string) string {
	best, nearest := "", len(word)/3+2
	for _, candidate := range candidates {
		distance := editDistance(strings.ToLower(word), strings.ToLower(candidate))
		if len(word) > 1 && strings.HasPrefix(strings.ToLower(candidate), strings.ToLower(word)) {
			distance = 1
		}
		if distance < nearest {
			best, nearest = candidate, distance
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", best)
}

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours that make b of a (optimal string alignment).
func editDistance(a, b string) int {
	from, to := []rune(a), []rune(b)
	rows := make([][]int, len(from)+1)
	for i := range rows {
		rows[i] = make([]int, len(to)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(from); i++ {
		for j := 1; j <= len(to); j++ {
			replace := rows[i-1][j-1]
			if from[i-1] != to[j-1] {
				replace++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, replace)
			if i > 1 && j > 1 && from[i-1] == to[j-2] && from[i-2] == to[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(from)][len(to)]
}
