package smoketest

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// The part of the JUnit XML format that CI systems read.
type (
	junitSuite struct {
		XMLName   xml.Name    `xml:"testsuite"`
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Errors    int         `xml:"errors,attr"`
		Time      string      `xml:"time,attr"` // seconds
		Timestamp string      `xml:"timestamp,attr"`
		Cases     []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Time    string        `xml:"time,attr"` // seconds
		Failure *junitFailure `xml:"failure"`
		Output  string        `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the report as a JUnit XML file with a test case per topic.
func WriteJUnit(w io.Writer, report Report) error {
	suite := junitSuite{
		Name: "gmctl kafka test", Tests: len(report.Topics), Time: fmt.Sprintf("%.3f", report.Seconds),
		Timestamp: report.Started.UTC().Format(time.RFC3339),
	}
	for _, t := range report.Topics {
		c := junitCase{
			Name: t.Topic, Class: "kafka.topic", Time: fmt.Sprintf("%.3f", t.EndToEnd.Max/1000),
			Output: fmt.Sprintf("sent %d, acked %d, consumed %d; ack p50 %.1f ms, p99 %.1f ms; end-to-end p50 %.1f ms, p99 %.1f ms%s",
				t.Sent, t.Acked, t.Consumed, t.Ack.P50, t.Ack.P99, t.EndToEnd.P50, t.EndToEnd.P99, lines("\nwarning: ", t.Warnings)),
		}
		if len(t.Problems) > 0 {
			suite.Failures++
			c.Failure = &junitFailure{Message: t.Problems[0].What, Type: "KafkaTest", Text: strings.TrimPrefix(lines("\n", t.Problems), "\n")}
		}
		suite.Cases = append(suite.Cases, c)
	}
	encoded, err := xml.MarshalIndent(suite, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, encoded)
	return err
}

func lines(prefix string, findings []Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s%s: %s. Next: %s", prefix, f.What, f.Why, f.Next)
	}
	return b.String()
}
