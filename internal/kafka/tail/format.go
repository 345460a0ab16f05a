package tail

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Format prints records as a template says, as kcat's -f does.
type Format struct {
	parts []func(*strings.Builder, kafka.Record)
}

// FormatHelp lists what a format may hold.
const FormatHelp = `%t topic, %p partition, %o offset, %k key, %v or %s value, %h headers,
%T timestamp in milliseconds, %D timestamp in RFC 3339, %K and %S length of key
and value in bytes, %% a percent sign; \n, \t, \r, \\ and \0 as usual`

// ParseFormat reads a template.
func ParseFormat(template string) (Format, error) {
	var f Format
	literal := func(text string) {
		f.parts = append(f.parts, func(b *strings.Builder, _ kafka.Record) { b.WriteString(text) })
	}
	for i := 0; i < len(template); i++ {
		c := template[i]
		if (c != '%' && c != '\\') || i+1 == len(template) {
			literal(string(c))
			continue
		}
		i++
		if c == '\\' {
			text, ok := escapes()[template[i]]
			if !ok {
				return f, formatProblem(template, template[i-1:i+1])
			}
			literal(text)
			continue
		}
		field, ok := fields()[template[i]]
		if !ok {
			return f, formatProblem(template, template[i-1:i+1])
		}
		f.parts = append(f.parts, func(b *strings.Builder, r kafka.Record) { b.WriteString(field(r)) })
	}
	return f, nil
}

func formatProblem(template, part string) error {
	return &problem.Error{
		What: fmt.Sprintf("the format %q holds %s, which means nothing", template, part), Kind: problem.Usage,
		Next: "use " + strings.ReplaceAll(FormatHelp, "\n", " "),
	}
}

// Sprint prints one record.
func (f Format) Sprint(r kafka.Record) string {
	var b strings.Builder
	for _, part := range f.parts {
		part(&b, r)
	}
	return b.String()
}

func escapes() map[byte]string {
	return map[byte]string{'n': "\n", 't': "\t", 'r': "\r", '\\': "\\", '0': "\x00"}
}

func fields() map[byte]func(kafka.Record) string {
	value := func(r kafka.Record) string { return string(r.Value) }
	return map[byte]func(kafka.Record) string{
		't': func(r kafka.Record) string { return r.Topic },
		'p': func(r kafka.Record) string { return strconv.Itoa(int(r.Partition)) },
		'o': func(r kafka.Record) string { return strconv.FormatInt(r.Offset, 10) },
		'k': func(r kafka.Record) string { return string(r.Key) },
		'v': value,
		's': value,
		'h': headers,
		'T': func(r kafka.Record) string { return strconv.FormatInt(r.Timestamp.UnixMilli(), 10) },
		'D': func(r kafka.Record) string { return r.Timestamp.UTC().Format(time.RFC3339Nano) },
		'K': func(r kafka.Record) string { return length(r.Key) },
		'S': func(r kafka.Record) string { return length(r.Value) },
		'%': func(kafka.Record) string { return "%" },
	}
}

// length is -1 for null, as in kcat.
func length(b []byte) string {
	if b == nil {
		return "-1"
	}
	return strconv.Itoa(len(b))
}

func headers(r kafka.Record) string {
	parts := make([]string, len(r.Headers))
	for i, h := range r.Headers {
		parts[i] = h.Key + "=" + string(h.Value)
	}
	return strings.Join(parts, ",")
}
