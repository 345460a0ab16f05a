package ingestion_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

const documentURL = "https://gamemetrics.invalid/openapi.json"

// contract holds the server's answers to openapi.json, and remembers which of
// the documented ones it has seen.
type contract struct {
	document map[string]any
	compiler *jsonschema.Compiler

	mu   sync.Mutex      // of the compiler, too
	seen map[string]bool // "POST /api/v1/events 201", "code not-found"
}

func newContract(t testing.TB) *contract {
	t.Helper()
	data, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := &contract{document: document.(map[string]any), compiler: jsonschema.NewCompiler(), seen: map[string]bool{}}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(documentURL, document); err != nil {
		t.Fatal(err)
	}
	return c
}

// at follows a JSON pointer, and the $ref it may lead to. It returns the
// pointer of what it found.
func (c *contract) at(pointer string) (value map[string]any, found string, ok bool) {
	var here any = c.document
	for _, token := range strings.Split(pointer, "/")[1:] {
		object, isObject := here.(map[string]any)
		if here, ok = object[unescape(token)]; !isObject || !ok {
			return nil, "", false
		}
	}
	value, _ = here.(map[string]any)
	if ref, isRef := value["$ref"].(string); isRef {
		return c.at(strings.TrimPrefix(ref, "#"))
	}
	return value, pointer, true
}

func escape(token string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(token) }

func unescape(token string) string { return strings.NewReplacer("~1", "/", "~0", "~").Replace(token) }

// validate holds value to the schema at the pointer.
func (c *contract) validate(t testing.TB, pointer string, value any) {
	t.Helper()
	c.mu.Lock() // the compiler is no more than one's at a time
	schema, err := c.compiler.Compile(documentURL + "#" + pointer)
	c.mu.Unlock()
	if err != nil {
		t.Fatalf("the schema at %s: %v", pointer, err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("the document does not allow this at %s: %v", pointer, err)
	}
}

// check holds one answer to the document.
func (c *contract) check(t testing.TB, method, path string, status int, header http.Header, body []byte) {
	t.Helper()
	path = c.pattern(path)
	pointer := fmt.Sprintf("/paths/%s/%s/responses/%d", escape(path), strings.ToLower(method), status)
	switch status { // OpenAPI has no place for them beside the paths and methods that are there
	case http.StatusNotFound:
		pointer = "/components/responses/NotFound"
	case http.StatusMethodNotAllowed:
		pointer = "/components/responses/MethodNotAllowed"
	}
	response, pointer, ok := c.at(pointer)
	if !ok {
		t.Errorf("%s %s answered %d, which openapi.json does not have", method, path, status)
		return
	}
	headers, _ := response["headers"].(map[string]any)
	for name := range headers {
		declared, at, _ := c.at(pointer + "/headers/" + name)
		if header.Get(name) != "" {
			c.validate(t, at+"/schema", header.Get(name))
		} else if declared["required"] == true {
			t.Errorf("%s %s answered %d without the header %s", method, path, status, name)
		}
	}
	if _, _, hasContent := c.at(pointer + "/content"); !hasContent {
		if len(body) > 0 {
			t.Errorf("%s %s answered %d with a body, which openapi.json does not have", method, path, status)
		}
		c.remember(fmt.Sprintf("%s %s %d", method, path, status))
		return
	}
	media, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	_, at, ok := c.at(pointer + "/content/" + escape(media))
	if !ok {
		t.Errorf("%s %s answered %d with %q, which openapi.json does not have", method, path, status, media)
		return
	}
	var value any = string(body)
	if media == "application/json" {
		var err error
		if value, err = jsonschema.UnmarshalJSON(bytes.NewReader(body)); err != nil {
			t.Errorf("%s %s answered what is not JSON: %v: %s", method, path, err, body)
			return
		}
	}
	c.validate(t, at+"/schema", value)
	c.remember(fmt.Sprintf("%s %s %d", method, path, status))
	c.rememberCodes(value)
}

// pattern returns how the document calls a path.
func (c *contract) pattern(path string) string {
	paths := c.document["paths"].(map[string]any)
	if _, ok := paths[path]; ok {
		return path
	}
	for pattern := range paths {
		before, rest, named := strings.Cut(pattern, "{")
		_, after, _ := strings.Cut(rest, "}")
		name, begins := strings.CutPrefix(path, before)
		if name, ends := strings.CutSuffix(name, after); named && begins && ends && !strings.Contains(name, "/") {
			return pattern
		}
	}
	return path
}

func (c *contract) remember(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[what] = true
}

// rememberCodes notes every member called code, at any depth.
func (c *contract) rememberCodes(value any) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if code, ok := member.(string); ok && name == "code" {
				c.remember("code " + code)
			}
			c.rememberCodes(member)
		}
	case []any:
		for _, element := range value {
			c.rememberCodes(element)
		}
	}
}

// documented lists the answers and codes that openapi.json has.
func (c *contract) documented() []string {
	var all []string
	paths := c.document["paths"].(map[string]any)
	for path, operations := range paths {
		for method, operation := range operations.(map[string]any) {
			for status := range operation.(map[string]any)["responses"].(map[string]any) {
				all = append(all, strings.ToUpper(method)+" "+path+" "+status)
			}
		}
	}
	for _, enum := range []string{"ErrorCode", "FieldCode"} {
		schema, _, _ := c.at("/components/schemas/" + enum)
		for _, code := range schema["enum"].([]any) {
			all = append(all, "code "+code.(string))
		}
	}
	slices.Sort(all)
	return all
}

// complete fails the test unless everything documented was seen.
func (c *contract) complete(t testing.TB) {
	t.Helper()
	for _, what := range c.documented() {
		if !c.seen[what] {
			t.Errorf("openapi.json has %s, and no test has made the server answer so", what)
		}
	}
}

// Every example of the document keeps its own schema.
func TestDocumentExamples(t *testing.T) {
	c := newContract(t)
	count := 0
	var walk func(pointer string, value any)
	walk = func(pointer string, value any) {
		object, ok := value.(map[string]any)
		if !ok {
			return
		}
		examples, _ := object["examples"].(map[string]any)
		for name := range examples {
			example, _, _ := c.at(pointer + "/examples/" + name)
			c.validate(t, pointer+"/schema", example["value"])
			count++
		}
		for name, member := range object {
			walk(pointer+"/"+escape(name), member)
		}
	}
	walk("", any(c.document))
	if count < 8 {
		t.Errorf("found only %d examples", count)
	}
}

// The document is OpenAPI 3.1 in the parts that tools rely on: unique operation
// ids, and references that lead somewhere.
func TestDocumentForm(t *testing.T) {
	c := newContract(t)
	if c.document["openapi"] != "3.1.0" {
		t.Errorf("the document says openapi %v", c.document["openapi"])
	}
	ids := map[string]int{}
	var walk func(value any)
	walk = func(value any) {
		switch value := value.(type) {
		case map[string]any:
			if ref, ok := value["$ref"].(string); ok {
				if _, _, ok := c.at(strings.TrimPrefix(ref, "#")); !ok {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			if id, ok := value["operationId"].(string); ok {
				ids[id]++
			}
			for member := range maps.Values(value) {
				walk(member)
			}
		case []any:
			for _, element := range value {
				walk(element)
			}
		}
	}
	walk(any(c.document))
	for id, count := range ids {
		if count != 1 {
			t.Errorf("the operation id %s is used %d times", id, count)
		}
	}
}

// The page for people names every code, path and metric.
func TestDocsNameEverything(t *testing.T) {
	page, err := os.ReadFile("../../docs/events-api.md")
	if err != nil {
		t.Fatal(err)
	}
	c := newContract(t)
	var names []string
	for _, what := range c.documented() {
		if code, ok := strings.CutPrefix(what, "code "); ok {
			names = append(names, "`"+code+"`")
		}
	}
	for path := range c.document["paths"].(map[string]any) {
		names = append(names, path+"`")
	}
	a := serve(t, c, nil)
	a.send(t, "POST", single, valid, nil)
	a.send(t, "POST", single, "{}", nil)
	for line := range strings.SplitSeq(a.send(t, "GET", "/metrics", "", nil).body, "\n") {
		if metric, ok := strings.CutPrefix(line, "# TYPE gamemetrics_"); ok {
			name, _, _ := strings.Cut(metric, " ")
			names = append(names, "`gamemetrics_"+name)
		}
	}
	if len(names) < 40 {
		t.Errorf("only %d names were found", len(names))
	}
	for _, name := range names {
		if !strings.Contains(string(page), name) {
			t.Errorf("docs/events-api.md does not name %s", name)
		}
	}
}

// The HTTP header and the Kafka header of a test are one name.
func TestTestHeader(t *testing.T) {
	if !strings.EqualFold(eventapi.TestHeader, topics.TestHeader) {
		t.Errorf("over HTTP a test is marked by %s, in Kafka by %s", eventapi.TestHeader, topics.TestHeader)
	}
}

// example returns an example request body of an operation.
func (c *contract) example(t testing.TB, path, media, name string) string {
	t.Helper()
	example, _, ok := c.at("/paths/" + escape(path) + "/post/requestBody/content/" + escape(media) + "/examples/" + name)
	if !ok {
		t.Fatalf("no example %s of %s", name, path)
	}
	if text, ok := example["value"].(string); ok {
		return text
	}
	text, err := json.Marshal(example["value"])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
