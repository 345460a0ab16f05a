package event

import "strings"

// maxUnknown bounds how many unknown fields of one event are named.
const maxUnknown = 8

// unknownReason says why a member is refused, naming the field that was
// probably meant.
func unknownReason(name string) string {
	if meant := closest(name); meant != "" {
		return "is not a field of an event; did you mean " + meant + "?"
	}
	return "is not a field of an event; put what is yours into metadata"
}

// closest returns the field whose name is most like name, or "".
func closest(name string) string {
	if len(name) > 32 {
		return ""
	}
	plain := strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(name))
	aliases := map[string]string{
		"id": "eventId", "uuid": "eventId", "player": "playerId", "user": "playerId", "userid": "playerId",
		"type": "eventType", "event": "eventType", "eventname": "eventType", "name": "eventType",
		"time": "timestamp", "ts": "timestamp", "date": "timestamp", "eventtime": "timestamp", "at": "timestamp",
		"meta": "metadata", "data": "metadata", "properties": "metadata", "props": "metadata", "payload": "metadata",
	}
	if field, ok := aliases[plain]; ok {
		return field
	}
	for _, field := range []string{"eventId", "playerId", "eventType", "timestamp", "metadata"} {
		if distance(plain, strings.ToLower(field)) <= 2 {
			return field
		}
	}
	return ""
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
