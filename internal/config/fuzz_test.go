package config

import (
	"testing"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Whatever stands in the file, it is read or refused with a remedy.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"apiVersion: gmctl/v1\n",
		"apiVersion: gmctl/v1\nenvironments:\n  local:\n    provider: local\n    local: {kafka: {brokers: [a:1]}, ingestion: {maxAge: 1d12h}}\n",
		"a: &a {b: *a, <<: *a}\n", "? [a]\n: |\n  b\n", "- !!str 1\n", "\ufeff\t'", "environments: {a: null, a: 1.5}\n---\n...",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := Parse("gmctl.yaml", data)
		if err != nil {
			if p := problem.From(err); p.Kind != problem.Usage || p.Next == "" || p.Error() == "" {
				t.Errorf("refused with %#v", p)
			}
			return
		}
		if cfg.Environments[LocalName].Local.Kafka.Port == 0 {
			t.Error("read without its defaults")
		}
	})
}
