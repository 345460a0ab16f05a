package local

import (
	"os"
	"slices"
	"testing"

	"github.com/gamemetrics/gmctl/internal/config"
)

// Each up is a life of the environment: with what was given to it as --kafka, and
// what stood in its configuration then.
func TestBrokersOfASpec(t *testing.T) {
	type up struct {
		flag, configured []string
		want             []string
	}
	one, two := []string{"one:9092"}, []string{"two:9092", "three:9092"}
	for name, ups := range map[string][]up{
		"embedded unless told otherwise":            {{nil, nil, nil}},
		"the flag is remembered":                    {{one, nil, one}, {nil, nil, one}, {nil, nil, one}},
		"another flag takes its place":              {{one, nil, one}, {two, nil, two}, {nil, nil, two}},
		"embedded goes back":                        {{one, nil, one}, {[]string{Embedded}, nil, nil}, {nil, nil, nil}},
		"the configuration says it":                 {{nil, one, one}, {nil, two, two}},
		"the configuration wins over an old flag":   {{one, nil, one}, {nil, two, two}},
		"a flag wins over the configuration":        {{one, two, one}},
		"but only once":                             {{one, two, one}, {nil, two, two}},
		"embedded wins over the configuration once": {{[]string{Embedded}, two, nil}, {nil, two, two}},
		"what left the configuration is forgotten":  {{nil, two, two}, {nil, nil, nil}},
	} {
		t.Run(name, func(t *testing.T) {
			dirs := newDirs(t)
			for i, up := range ups {
				spec, err := NewSpec("local", dirs, config.Local{Kafka: config.LocalKafka{Brokers: up.configured}}, up.flag)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(spec.Brokers, up.want) || spec.External() != (len(up.want) > 0) {
					t.Fatalf("the brokers of up number %d are %v, want %v", i+1, spec.Brokers, up.want)
				}
				if _, err := spec.Save(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// Whether the supervisor that runs is the wanted one is told by the hash.
func TestASpecIsReadAsItWasWritten(t *testing.T) {
	dirs := newDirs(t)
	spec, err := NewSpec("local", dirs, config.Local{Kafka: config.LocalKafka{Port: 9092}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	path, err := spec.Save()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	read, err := ReadSpec(path)
	if err != nil || read.Hash() != spec.Hash() {
		t.Errorf("read %+v, %v, written %+v", read, err, spec)
	}
	again, err := NewSpec("local", dirs, config.Local{Kafka: config.LocalKafka{Port: 9092}}, nil)
	if err != nil || again.Hash() != spec.Hash() {
		t.Errorf("made again %+v, %v, at first %+v", again, err, spec)
	}
	other, err := NewSpec("local", dirs, config.Local{Kafka: config.LocalKafka{Port: 9093}}, nil)
	if err != nil || other.Hash() == spec.Hash() {
		t.Errorf("another configuration has the same hash, %v", err)
	}
}
