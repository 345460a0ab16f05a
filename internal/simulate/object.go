package simulate

import (
	"encoding/json"
	"strconv"
)

// object builds a compact JSON object. Keys and texts are the model's own
// words and need no escaping.
type object struct{ json []byte }

func newObject() *object { return &object{json: append(make([]byte, 0, 192), '{')} }

func (o *object) key(name string) {
	if len(o.json) > 1 {
		o.json = append(o.json, ',')
	}
	o.json = append(o.json, '"')
	o.json = append(o.json, name...)
	o.json = append(o.json, '"', ':')
}

func (o *object) text(name, value string) *object {
	o.key(name)
	o.json = append(o.json, '"')
	o.json = append(o.json, value...)
	o.json = append(o.json, '"')
	return o
}

func (o *object) integer(name string, value int) *object {
	o.key(name)
	o.json = strconv.AppendInt(o.json, int64(value), 10)
	return o
}

func (o *object) decimal(name string, value float64, decimals int) *object {
	o.key(name)
	o.json = strconv.AppendFloat(o.json, value, 'f', decimals, 64)
	return o
}

func (o *object) flag(name string, value bool) *object {
	o.key(name)
	o.json = strconv.AppendBool(o.json, value)
	return o
}

func (o *object) done() json.RawMessage { return append(o.json, '}') }
