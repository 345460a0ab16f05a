package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/internal/problem"
)

func TestWhatIsLeftOutHasItsDefault(t *testing.T) {
	cfg, err := Parse("/srv/game/gmctl.yaml", []byte(`apiVersion: gmctl/v1
environments:
  load-test:
    provider: local
    local:
      postgres:
        port: 6432
        binaries: pg/bin
      kafka:
        brokers: ["kafka-0.internal:9092", "[::1]:9093"]
      ingestion:
        maxAge: 90d
        maxAhead: 1h30m
  bare:
    provider: local
    local:
      postgres:
`))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Path = "/srv/game/gmctl.yaml"
	want.Environments["bare"] = Environment{Provider: ProviderLocal, Local: DefaultLocal()}
	custom := DefaultLocal()
	custom.Postgres = LocalPostgres{Port: 6432, Binaries: "/srv/game/pg/bin"}
	custom.Kafka.Brokers = []string{"kafka-0.internal:9092", "[::1]:9093"}
	custom.Ingestion.MaxAge, custom.Ingestion.MaxAhead = 90*24*time.Hour, 90*time.Minute
	want.Environments["load-test"] = Environment{Provider: ProviderLocal, Local: custom}
	if diff := cmp.Diff(want, cfg); diff != "" {
		t.Error(diff)
	}
}

func TestFilesThatAreFine(t *testing.T) {
	for name, text := range map[string]string{
		"version alone":     "apiVersion: gmctl/v1\n",
		"nothing in a list": "apiVersion: gmctl/v1\nenvironments:\n",
		"byte order mark":   "\ufeffapiVersion: gmctl/v1\n",
		"Windows lines":     "apiVersion: gmctl/v1\r\nenvironments:\r\n  local:\r\n    provider: local\r\n",
		"quoted text":       "\"apiVersion\": 'gmctl/v1'\n",
		"JSON":              `{"apiVersion":"gmctl/v1","environments":{"local":{"provider":"local"}}}`,
		"a document mark":   "---\napiVersion: gmctl/v1\n",
		"a numeric name":    "apiVersion: gmctl/v1\nenvironments:\n  2:\n    provider: local\n",
		"an alias":          "apiVersion: gmctl/v1\nenvironments:\n  a: &a\n    provider: local\n  b: *a\n",
	} {
		if _, err := Parse("gmctl.yaml", []byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsWrongIsNamedWhereItStands(t *testing.T) {
	local := "apiVersion: gmctl/v1\nenvironments:\n  local:\n    provider: local\n    local:\n      "
	for _, c := range []struct {
		name, text string
		want       string
	}{
		{"unknown field", local + "postgres:\n        prot: 5432\n", `
gmctl.yaml:7:9: unknown field "prot" in environments.local.local.postgres; did you mean "port"?
  7 | prot: 5432
      ^^^^`},
		{"unknown field like none", local + "redis: {}\n", `
gmctl.yaml:6:7: unknown field "redis" in environments.local.local
  6 | redis: {}
      ^^^^^`},
		{"wrong case", "apiversion: gmctl/v1\n", `
gmctl.yaml:1:1: unknown field "apiversion" in the file; did you mean "apiVersion"?
  1 | apiversion: gmctl/v1
      ^^^^^^^^^^
gmctl.yaml:1:1: the file lacks apiVersion: add apiVersion: gmctl/v1
  1 | apiversion: gmctl/v1
      ^^^^^^^^^^`},
		{"wrong version", "apiVersion: gmctl/v2\n", `
gmctl.yaml:1:13: apiVersion "gmctl/v2" is not known to this gmctl, which reads gmctl/v1; did you mean "gmctl/v1"?
  1 | apiVersion: gmctl/v2
                  ^^^^^^^^`},
		{"no provider", "apiVersion: gmctl/v1\nenvironments:\n  staging:\n", `
gmctl.yaml:3:3: environments.staging lacks provider: add provider: local
  3 | staging:
      ^^^^^^^`},
		{"unknown provider", "apiVersion: gmctl/v1\nenvironments:\n  staging:\n    provider: locla\n", `
gmctl.yaml:4:15: environments.staging.provider "locla" is not a provider: choose one of [local aws]; did you mean "local"?
  4 | provider: locla
                ^^^^^`},
		{"bad name", "apiVersion: gmctl/v1\nenvironments:\n  My_Env:\n    provider: local\n", `
gmctl.yaml:3:3: "My_Env" is not a name for an environment: use at most 63 of a-z, 0-9 and -, with no - at either end
  3 | My_Env:
      ^^^^^^`},
		{"port out of range", local + "kafka: {port: 70000}\n", `
gmctl.yaml:6:21: environments.local.local.kafka.port must be a port from 1 to 65535, not 70000
  6 | kafka: {port: 70000}
                    ^^^^^`},
		{"quoted port", local + "kafka: {port: \"9092\"}\n", `
gmctl.yaml:6:21: environments.local.local.kafka.port must be a whole number, not the text "9092": take the quotes away
  6 | kafka: {port: "9092"}
                    ^^^^^^`},
		{"octal port", local + "kafka: {port: 09092}\n", `
gmctl.yaml:6:21: environments.local.local.kafka.port must be a whole number, not the text "09092"; did you mean "9092"?
  6 | kafka: {port: 09092}
                    ^^^^^`},
		{"fractional port", local + "kafka: {port: 1.5}\n", `
gmctl.yaml:6:21: environments.local.local.kafka.port must be a whole number, not the number 1.5
  6 | kafka: {port: 1.5}
                    ^^^`},
		{"empty value", local + "kafka:\n        port:\n", `
gmctl.yaml:7:9: environments.local.local.kafka.port must be a whole number, not nothing (leave the line out for the default)
  7 | port:
      ^^^^`},
		{"text for a list", local + "kafka:\n        brokers: localhost:9092\n", `
gmctl.yaml:7:18: environments.local.local.kafka.brokers must be a list, not the text "localhost:9092"; did you mean "[localhost:9092]"?
  7 | brokers: localhost:9092
               ^^^^^^^^^^^^^^`},
		{"broker without a port", local + "kafka:\n        brokers: [\"a:9092\", localhost]\n", `
gmctl.yaml:7:29: environments.local.local.kafka.brokers[1] "localhost" is not an address: write host:port; did you mean "localhost:9092"?
  7 | brokers: ["a:9092", localhost]
                          ^^^^^^^^^`},
		{"duration without a unit", local + "ingestion: {maxAge: 720}\n", `
gmctl.yaml:6:27: environments.local.local.ingestion.maxAge must be a duration with its unit, like "30d" or "12h", not the number 720; did you mean "720h"?
  6 | ingestion: {maxAge: 720}
                          ^^^`},
		{"unknown unit", local + "ingestion: {maxAge: 2w}\n", `
gmctl.yaml:6:27: environments.local.local.ingestion.maxAge: "2w" is not a duration: write it like "30d", "12h" or "1h30m"
  6 | ingestion: {maxAge: 2w}
                          ^^`},
		{"negative duration", local + "ingestion: {maxAhead: -1h}\n", `
gmctl.yaml:6:29: environments.local.local.ingestion.maxAhead must be longer than nothing, not -1h0m0s
  6 | ingestion: {maxAhead: -1h}
                            ^^^`},
		{"value for a section", local + "postgres: 5432\n", `
gmctl.yaml:6:17: environments.local.local.postgres must be a section of fields, not the number 5432
  6 | postgres: 5432
                ^^^^`},
		{"list at the top", "- apiVersion: gmctl/v1\n", `
gmctl.yaml:1:1: the file must be a section of fields, not a list
  1 | - apiVersion: gmctl/v1
      ^`},
		{"given twice", "apiVersion: gmctl/v1\nenvironments:\napiVersion: gmctl/v1\n", `
gmctl.yaml:3:1: apiVersion is given twice; first in line 1
  3 | apiVersion: gmctl/v1
      ^^^^^^^^^^`},
		{"unknown alias", "apiVersion: *version\n", `
gmctl.yaml:1:13: *version stands for nothing: there is no &version before it
  1 | apiVersion: *version
                  ^`},
		{"contains itself", "apiVersion: gmctl/v1\nenvironments: &all\n  a: *all\n", `
gmctl.yaml:3:3: unknown field "a" in environments.a
  3 | a: *all
      ^
gmctl.yaml:3:3: environments.a lacks provider: add provider: local
  3 | a: *all
      ^`},
		{"merge", "apiVersion: gmctl/v1\nenvironments:\n  a: &a\n    provider: local\n  b:\n    <<: *a\n    provider: local\n", `
gmctl.yaml:6:5: << is not supported: write the fields out
  6 | <<: *a
      ^^`},
		{"tag", "apiVersion: !!str gmctl/v1\n", `
gmctl.yaml:1:13: YAML tags are not supported: write the value alone
  1 | apiVersion: !!str gmctl/v1
                  ^^^^^`},
		{"syntax", "apiVersion: gmctl/v1\nenvironments: [\n", `
gmctl.yaml:2:15: not valid YAML: sequence end token ']' not found
  2 | environments: [
                    ^`},
		{"tab", "apiVersion: gmctl/v1\nenvironments:\n\tlocal: {}\n", `
gmctl.yaml:3:1: not valid YAML: a tab begins this line: indent with spaces
  3 | local: {}
      ^`},
		{"second document", "apiVersion: gmctl/v1\n---\napiVersion: gmctl/v1\n", `
gmctl.yaml:2:1: a second YAML document: the file holds one
  2 | ---
      ^^^`},
		{"empty", "", `
gmctl.yaml:1:1: the file says nothing: begin it with apiVersion: gmctl/v1`},
		{"only comments", "# later\n", `
gmctl.yaml:1:1: the file says nothing: begin it with apiVersion: gmctl/v1
  1 | # later
      ^`},
		{"not UTF-8", "apiVersion: gmctl/v1\n# caf\xe9\n", `
gmctl.yaml:2:6: a byte that is not UTF-8: save the file as UTF-8
  2 | # caf` + "\ufffd" + `
           ^`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("gmctl.yaml", []byte(c.text))
			p := problem.From(err)
			if p == nil || p.Cause == nil {
				t.Fatalf("got %v, want an error", err)
			}
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), p.Cause.Error()); diff != "" {
				t.Error(diff)
			}
			if p.Kind != problem.Usage || p.Next == "" {
				t.Errorf("kind %v, next %q: want a usage error with a remedy", p.Kind, p.Next)
			}
		})
	}
}

func TestEverythingThatIsWrongIsReportedAtOnce(t *testing.T) {
	_, err := Parse("gmctl.yaml", []byte("apiVersion: gmctl/v1\nenvironments:\n  local:\n    provider: local\n    locla:\n      kafka: {}\n  staging:\n    provider: cloud\n"))
	for _, want := range []string{`gmctl.yaml:5:5: unknown field "locla"`, `gmctl.yaml:8:15: environments.staging.provider "cloud"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Run("the nearest file upward", func(t *testing.T) {
		top := t.TempDir()
		deep := filepath.Join(top, "a", "b")
		write(t, filepath.Join(top, FileName), "apiVersion: gmctl/v1\nenvironments:\n  top:\n    provider: local\n")
		if err := os.MkdirAll(deep, 0o700); err != nil {
			t.Fatal(err)
		}
		t.Chdir(deep)
		cfg, err := Load("")
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := cfg.Environments["top"]; !ok {
			t.Errorf("read %q, which has no environment top", cfg.Path)
		}
	})
	t.Run("the defaults where there is none", func(t *testing.T) {
		t.Chdir(t.TempDir())
		cfg, err := Load("")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Default(), cfg); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a named file must be there", func(t *testing.T) {
		_, err := Load(filepath.Join(t.TempDir(), "other.yaml"))
		if p := problem.From(err); p == nil || p.Kind != problem.Usage || !strings.Contains(p.Next, "gmctl init") {
			t.Errorf("got %#v", err)
		}
	})
	t.Run("a folder is no file", func(t *testing.T) {
		_, err := Load(t.TempDir())
		if p := problem.From(err); p == nil || p.Kind != problem.Usage {
			t.Errorf("got %#v", err)
		}
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
