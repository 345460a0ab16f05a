package filter

import (
	"testing"

	"github.com/gamemetrics/gmctl/internal/problem"
)

func TestMatch(t *testing.T) {
	const document = `{"playerId":"p1","timestamp":"2026-03-01T10:00:00Z","metadata":{"level":3,"big":76561198000000001,"name":"Ann","vip":true,"none":null,"a.b":1,"items":[{"sku":"gem"}],"tags":["a","b"],"pos":{"x":-1.5}}}`
	for condition, want := range map[string]bool{
		"playerId=p1":                    true,
		"playerId = p1":                  true,
		"playerId":                       true,
		"metadata.none":                  true,
		"metadata.a.b":                   true,
		"metadata.missing":               false,
		"playerId.deeper":                false,
		"playerId.deeper=1":              false,
		"playerId!=p1":                   false,
		"metadata.level=3":               true,
		"metadata.level=3.0":             true,
		"metadata.level=03":              true,
		"metadata.level!=4":              true,
		"metadata.level>2":               true,
		"metadata.level>3":               false,
		"metadata.level>=3":              true,
		"metadata.level<3":               false,
		"metadata.level<=3":              true,
		"metadata.level>a":               false,
		"metadata.name>Al":               true,
		"metadata.name~^A.n$":            true,
		"metadata.name~nn":               true,
		"metadata.level~^3$":             true,
		"metadata.vip=true":              true,
		"metadata.vip>true":              false,
		"metadata.none=null":             true,
		"metadata.missing=null":          false,
		"metadata.missing!=1":            true,
		"metadata.missing<1":             false,
		"metadata.a.b=1":                 true,
		"metadata.items.0.sku=gem":       true,
		"metadata.items.1.sku=gem":       false,
		`metadata.tags=["a","b"]`:        true,
		"metadata.tags.1=b":              true,
		"metadata.pos.x<-1":              true,
		"metadata.pos={\"x\":-1.5}":      true,
		"timestamp>2026-02-01":           true,
		"timestamp<2026-02-01":           false,
		"metadata.name=A=B":              false,
		"metadata.big=76561198000000001": true,
		"metadata.big=76561198000000002": false,
		"metadata.big<76561198000000002": true,
	} {
		c, err := Parse(condition)
		if err != nil {
			t.Errorf("%s: %v", condition, err)
			continue
		}
		if got := (Conditions{c}).Match([]byte(document)); got != want {
			t.Errorf("%s: %v", condition, got)
		}
	}
}

func TestConditionsHoldTogether(t *testing.T) {
	all, err := ParseAll([]string{"a=1", "b>1"})
	if err != nil {
		t.Fatal(err)
	}
	for document, want := range map[string]bool{`{"a":1,"b":2}`: true, `{"a":1,"b":1}`: false, `no JSON`: false} {
		if all.Match([]byte(document)) != want {
			t.Errorf("%s", document)
		}
	}
	if !(Conditions)(nil).Match([]byte("no JSON")) {
		t.Error("without conditions something is left out")
	}
}

func TestWhatIsNoCondition(t *testing.T) {
	for _, expression := range []string{"", " ", "=3", " >3", "a!3", "a~("} {
		if _, err := ParseAll([]string{expression}); err == nil || problem.From(err).Kind != problem.Usage || problem.From(err).Next == "" {
			t.Errorf("%q: %v", expression, err)
		}
	}
}
