package reference

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/templates"
)

// What an editor accepts, gmctl accepts, and the other way round.
func TestTheSchemaAndTheReaderAgree(t *testing.T) {
	schema := compile(t)
	local := "apiVersion: gmctl/v1\nenvironments:\n  local:\n    provider: local\n    local: "
	for _, c := range []struct {
		text string
		fine bool
	}{
		{strings.ReplaceAll(templates.Config, "ENVIRONMENT", "local"), true},
		{"apiVersion: gmctl/v1", true},
		{local + "{postgres: {port: 1, binaries: /x}, kafka: {brokers: ['a:1']}, ingestion: {maxAge: 1d12h}}", true},
		{local + "{postgres: null}", true},
		{"environments: {}", false},
		{"apiVersion: gmctl/v2", false},
		{"apiVersion: gmctl/v1\nenvironments: {local: {}}", false},
		{"apiVersion: gmctl/v1\nenvironments: {local: null}", false},
		{"apiVersion: gmctl/v1\nenvironments: {Local: {provider: local}}", false},
		{"apiVersion: gmctl/v1\nenvironments: {local: {provider: cloud}}", false},
		{local + "{redis: {}}", false},
		{local + "{postgres: {port: 0}}", false},
		{local + "{postgres: {port: 65536}}", false},
		{local + "{postgres: {port: '5432'}}", false},
		{local + "{postgres: {binaries: ''}}", false},
		{local + "{kafka: {brokers: localhost}}", false},
		{local + "{kafka: {brokers: [localhost]}}", false},
		{local + "{ingestion: {maxAge: 12}}", false},
		{local + "{ingestion: {maxAge: soon}}", false},
		{local + "{ingestion: {maxAge: -1h}}", false},
		{"- a", false},
	} {
		var document any
		if err := yaml.Unmarshal([]byte(c.text), &document); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(asJSON(t, document)); (err == nil) != c.fine {
			t.Errorf("the schema says %v of\n%s", err, c.text)
		}
		if _, err := config.Parse("gmctl.yaml", []byte(c.text)); (err == nil) != c.fine {
			t.Errorf("gmctl says %v of\n%s", err, c.text)
		}
	}
}

// The file of gmctl init says nothing but the defaults, also where each of its
// commented lines is put in force.
func TestTheTemplateShowsTheDefaults(t *testing.T) {
	written := strings.ReplaceAll(templates.Config, "ENVIRONMENT", config.LocalName)
	got, err := config.Parse(config.FileName, []byte(written))
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.Path = config.FileName
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	var inForce []string
	for line := range strings.Lines(written) {
		before, after, commented := strings.Cut(line, "# ")
		if name, _, isField := strings.Cut(after, ": "); commented && isField && !strings.Contains(name, " ") && strings.TrimSpace(before) == "" && before != "" {
			line = before + after
		}
		inForce = append(inForce, line)
	}
	got, err = config.Parse(config.FileName, []byte(strings.Join(inForce, "")))
	if err != nil {
		t.Fatal(err)
	}
	// These two show an example: their default is that there is none.
	env := want.Environments[config.LocalName]
	env.Local.Postgres.Binaries, env.Local.Kafka.Brokers = "/usr/lib/postgresql/17/bin", []string{"localhost:9092"}
	want.Environments[config.LocalName] = env
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(written, "$schema="+SchemaURL+"\n") {
		t.Error("the template does not name the schema's address")
	}
}

func TestEveryFieldIsDescribed(t *testing.T) {
	reference := read(t)
	encoded, err := reference.Schema()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(encoded), `"description": ""`) {
		t.Errorf("a field has no comment:\n%s", encoded)
	}
	for line := range strings.Lines(string(reference.Markdown())) {
		if strings.HasPrefix(line, "| `") && strings.HasSuffix(line, "|  |\n") {
			t.Errorf("a field has no comment: %s", line)
		}
	}
}

func read(t *testing.T) *Reference {
	t.Helper()
	reference, err := Read("..")
	if err != nil {
		t.Fatal(err)
	}
	return reference
}

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	encoded, err := read(t).Schema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(SchemaURL, document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(SchemaURL)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asJSON returns what YAML decoded as JSON would have.
func asJSON(t *testing.T, document any) any {
	t.Helper()
	encoded, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}
