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
	aws := "apiVersion: gmctl/v1\nenvironments:\n  dev:\n    provider: aws\n    aws: "
	for _, c := range []struct {
		text string
		fine bool
	}{
		{written(t, templates.ConfigOptions{Env: "local", Provider: config.ProviderLocal}), true},
		{written(t, templates.ConfigOptions{Env: "dev", Provider: config.ProviderAWS, Template: "dev", Region: "eu-central-1"}), true},
		{aws + "{region: eu-central-1, database: {multiAZ: true, backupDays: 0}, nodeGroups: {data: {instanceType: r7i.large}, ml-1: {}}}", true},
		{aws + "{}", false},
		{aws + "{region: Frankfurt}", false},
		{aws + "{region: eu-central-1, template: huge}", false},
		{aws + "{region: eu-central-1, network: {availabilityZones: 4}}", false},
		{aws + "{region: eu-central-1, database: {multiAZ: 1}}", false},
		{aws + "{region: eu-central-1, database: {backupDays: 36}}", false},
		{aws + "{region: eu-central-1, kubernetes: {version: 1.35}}", false},
		{aws + "{region: eu-central-1, nodeGroups: {Data: {}}}", false},
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

func written(t *testing.T, options templates.ConfigOptions) string {
	t.Helper()
	text, err := templates.Config(options)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The files of gmctl init say nothing but the defaults, also where each of their
// commented lines is put in force.
func TestTheTemplatesShowTheDefaults(t *testing.T) {
	for _, c := range []struct {
		options templates.ConfigOptions
		want    config.Environment
		// examples sets what a template shows though its default is that there is none
		examples func(*config.Environment)
	}{
		{
			templates.ConfigOptions{Env: config.LocalName, Provider: config.ProviderLocal},
			config.Environment{Provider: config.ProviderLocal, Local: config.DefaultLocal()},
			func(env *config.Environment) {
				env.Local.Postgres.Binaries, env.Local.Kafka.Brokers = "/usr/lib/postgresql/17/bin", []string{"localhost:9092"}
			},
		},
		{
			templates.ConfigOptions{Env: "dev", Provider: config.ProviderAWS, Template: config.TemplateDev, Region: "eu-west-1"},
			config.Environment{Provider: config.ProviderAWS, AWS: config.DefaultAWS(config.TemplateDev)}, awsExamples,
		},
		{
			templates.ConfigOptions{Env: "prod", Provider: config.ProviderAWS, Template: config.TemplateProd, Region: "eu-west-1"},
			config.Environment{Provider: config.ProviderAWS, AWS: config.DefaultAWS(config.TemplateProd)}, awsExamples,
		},
	} {
		text := written(t, c.options)
		if c.options.Provider == config.ProviderAWS {
			c.want.AWS.Region = c.options.Region
		}
		if diff := cmp.Diff(c.want, parsed(t, text).Environments[c.options.Env]); diff != "" {
			t.Error(diff)
		}
		c.examples(&c.want)
		if diff := cmp.Diff(c.want, parsed(t, inForce(text)).Environments[c.options.Env]); diff != "" {
			t.Error(diff)
		}
		if !strings.Contains(text, "$schema="+SchemaURL+"\n") {
			t.Error("the template does not name the schema's address")
		}
	}
}

func awsExamples(env *config.Environment) {
	env.AWS.Profile, env.AWS.Domain = "my-studio", "metrics.example.com"
	env.AWS.Kubernetes.Administrators = []string{"arn:aws:iam::123456789012:role/platform"}
	env.AWS.Tracing.Endpoint = "http://otel-collector.monitoring:4318"
}

func parsed(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse(config.FileName, []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return cfg
}

// inForce takes away the # in front of every field.
func inForce(text string) string {
	var lines strings.Builder
	for line := range strings.Lines(text) {
		before, after, commented := strings.Cut(line, "# ")
		if name, _, isField := strings.Cut(after, ": "); commented && isField && !strings.Contains(name, " ") && strings.TrimSpace(before) == "" && before != "" {
			line = before + after
		}
		_, _ = lines.WriteString(line) // a Builder takes everything
	}
	return lines.String()
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
	page, err := reference.Markdown()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
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
