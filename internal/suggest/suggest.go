// Package suggest finds what a person probably meant to type.
package suggest

import "strings"

// Nearest returns the candidate that looks most like word, or "" where none
// is near: more than a third of its letters would have to change. Case does not
// count, two swapped letters count as one change, and a candidate that begins
// with word (at least two letters of it) is always near.
func Nearest(word string, candidates []string) string {
	word = strings.ToLower(word)
	best, fewest := "", max(1, len([]rune(word))/3)+1
	for _, candidate := range candidates {
		lower := strings.ToLower(candidate)
		changes := distance([]rune(word), []rune(lower))
		if len(word) >= 2 && strings.HasPrefix(lower, word) {
			changes = min(changes, 1)
		}
		if changes < fewest {
			best, fewest = candidate, changes
		}
	}
	return best
}

// distance is the number of letters to insert, delete, replace or swap with
// their neighbour to make a from b (optimal string alignment).
func distance(a, b []rune) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
