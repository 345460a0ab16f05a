package collector

import (
	"strconv"

	common "go.opentelemetry.io/proto/otlp/common/v1"
)

// Attribute is the text of an attribute; a number in its decimal form.
func Attribute(attributes []*common.KeyValue, key string) string {
	for _, attribute := range attributes {
		if attribute.Key != key {
			continue
		}
		switch value := attribute.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			return value.StringValue
		case *common.AnyValue_IntValue:
			return strconv.FormatInt(value.IntValue, 10)
		}
	}
	return ""
}
