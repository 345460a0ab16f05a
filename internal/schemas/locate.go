package schemas

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// pointer is a place as a JSON pointer; that of the whole is empty.
func pointer(path []string) string {
	var b strings.Builder
	for _, token := range path {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(token))
	}
	return b.String()
}

// lineOf is the line in which the value at path begins; 1 is the first.
func lineOf(text []byte, path []string) int {
	decoder := json.NewDecoder(bytes.NewReader(text))
	return lineAt(text, find(decoder, text, path)+1)
}

// find returns the offset of the value at path, which the decoder stands before.
// Where there is none, it is that of the value it would be in.
func find(decoder *json.Decoder, text []byte, path []string) int64 {
	start := begin(text, decoder.InputOffset())
	if len(path) == 0 {
		return start
	}
	open, err := decoder.Token()
	if err != nil || open != json.Delim('{') && open != json.Delim('[') {
		return start
	}
	for i := 0; decoder.More(); i++ {
		name := strconv.Itoa(i)
		if open == json.Delim('{') {
			key, err := decoder.Token()
			if err != nil {
				return start
			}
			name, _ = key.(string)
		}
		if name == path[0] {
			return find(decoder, text, path[1:])
		}
		if decoder.Decode(new(json.RawMessage)) != nil {
			return start
		}
	}
	return start
}

// begin skips what stands between two values.
func begin(text []byte, offset int64) int64 {
	for int(offset) < len(text) && strings.IndexByte(" \t\r\n:,", text[offset]) >= 0 {
		offset++
	}
	return offset
}
