package tail

import (
	"testing"

	"github.com/gamemetrics/gmctl/internal/filter"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/topics"
)

func TestConditions(t *testing.T) {
	value := []byte(`{"eventType":"purchase","at":"2026-01-31T12:00:00Z","metadata":{"level":10,"big":9007199254740993,"tags":["a","b"],"vip":true,"note":null}}`)
	for text, want := range map[string]bool{
		"eventType=purchase":            true,
		"eventType = purchase":          true,
		"eventType!=purchase":           false,
		"eventType~^purch":              true,
		"eventType~^x":                  false,
		"metadata.level=10":             true,
		"metadata.level=10.0":           true,
		"metadata.level>9":              true, // as numbers: as text, 10 comes before 9
		"metadata.level>=10":            true,
		"metadata.level<10":             false,
		"metadata.level<=10":            true,
		"metadata.big=9007199254740993": true,
		"metadata.tags.1=b":             true,
		"metadata.tags.2=c":             false,
		"metadata.vip=true":             true,
		"metadata.note=null":            true,
		"metadata.note":                 true,
		"metadata.missing":              false,
		"metadata.missing=1":            false,
		"metadata.missing!=1":           true,
		"eventType.deeper=1":            false,
		"at>2026-01-01":                 true,
		`metadata.tags=["a","b"]`:       true,
	} {
		t.Run(text, func(t *testing.T) {
			where, err := filter.ParseAll([]string{text})
			if err != nil {
				t.Fatal(err)
			}
			if got := (Filter{Where: where}).Match(kafka.Record{Value: value}); got != want {
				t.Errorf("got %v", got)
			}
		})
	}
	where, err := filter.ParseAll([]string{"a=1"})
	if err != nil || (Filter{Where: where}).Match(kafka.Record{Value: []byte("no JSON")}) {
		t.Error("a value that is no JSON meets a condition", err)
	}
}

func TestTestsAreNoData(t *testing.T) {
	record := kafka.Record{Headers: []kafka.Header{{Key: topics.TestHeader, Value: []byte("run")}}}
	if (Filter{}).Match(record) || !(Filter{WithTests: true}).Match(record) {
		t.Error("a test's record is chosen where it must not be, or not where it must")
	}
}
