package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/root"
	"github.com/gamemetrics/gmctl/internal/iostreams"
)

const repository = "../../.."

func TestTheGeneratedFilesAreCurrent(t *testing.T) {
	files, err := Files(filepath.Join(repository, "internal", "config"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(repository, "docs", filepath.FromSlash(name)))
		if err != nil {
			t.Errorf("docs/%s is missing: run make docs", name)
			continue
		}
		if diff := cmp.Diff(string(got), string(want)); diff != "" {
			t.Errorf("docs/%s is out of date: run make docs\n%s", name, diff)
		}
	}
	pages, err := filepath.Glob(filepath.Join(repository, "docs", "commands", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if _, ok := files["commands/"+filepath.Base(page)]; !ok {
			t.Errorf("%s describes no command: run make docs", page)
		}
	}
}

// docs/exit-codes.md lists the exit codes, each once.
func TestTheExitCodesAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "docs", "exit-codes.md"))
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \| (\w+) \|`).FindAllStringSubmatch(string(text), -1) {
		listed = append(listed, row[1]+" "+row[2])
	}
	var codes []string
	for _, c := range exitcode.All() {
		codes = append(codes, c.String())
	}
	if diff := cmp.Diff(codes, listed); diff != "" {
		t.Errorf("docs/exit-codes.md and the package exitcode differ:\n%s", diff)
	}
}

// docs/output.md lists the documents that commands print, each once.
func TestTheDocumentsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "docs", "output.md"))
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z]\\w+)` \\| `gmctl ").FindAllStringSubmatch(string(text), -1) {
		listed = append(listed, row[1])
	}
	slices.Sort(listed)
	if diff := cmp.Diff(printedKinds(t), listed); diff != "" {
		t.Errorf("the documents that the code prints (-) and those in docs/output.md (+) differ:\n%s", diff)
	}
}

// printedKinds returns the kinds that the code passes to render.Document, sorted.
func printedKinds(t *testing.T) []string {
	t.Helper()
	kinds := map[string]bool{}
	err := filepath.WalkDir(filepath.Join(repository, "internal"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isDocument(call.Fun) {
				return true
			}
			literal, ok := call.Args[2].(*ast.BasicLit)
			if !ok {
				t.Errorf("%s: the kind of a document is not a literal", path)
				return true
			}
			kind, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Error(err)
			}
			kinds[kind] = true
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(kinds))
}

func isDocument(called ast.Expr) bool {
	selector, ok := called.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != "Document" {
		return false
	}
	from, ok := selector.X.(*ast.Ident)
	return ok && from.Name == "render"
}

// Every command says what it is, and shows how it is used.
func TestEveryCommandHasHelpAndExamples(t *testing.T) {
	streams, _, _, _ := iostreams.Test()
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Hidden {
			return
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: Short is %q; want words without a full stop", cmd.CommandPath(), cmd.Short)
		}
		if !strings.HasPrefix(cmd.Example, "  ") {
			t.Errorf("%s: no Example, or one that is not indented by two spaces", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(root.NewCommand(factory.New(streams)))
}

// A link between the project's documents leads somewhere.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	documents := []string{filepath.Join(repository, "README.md"), filepath.Join(repository, "CONTRIBUTING.md")}
	err := filepath.WalkDir(filepath.Join(repository, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			documents = append(documents, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range documents {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(document), match[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", document, match[1])
			}
		}
	}
}

// A heading of docs/troubleshooting.md is an error as gmctl words it; … stands
// for what varies.
func TestTroubleshootingQuotesRealErrors(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "docs", "troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, folder := range []string{"internal", "services", "pkg"} {
		err := filepath.WalkDir(filepath.Join(repository, folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			code, err := os.ReadFile(path)
			source.Write(code)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	headings := regexp.MustCompile(`(?m)^### (.+)$`).FindAllStringSubmatch(string(text), -1)
	if len(headings) == 0 {
		t.Fatal("no headings")
	}
	for _, heading := range headings {
		for part := range strings.SplitSeq(heading[1], "…") {
			if part = strings.Trim(part, " "); !strings.Contains(source.String(), part) {
				t.Errorf("no error says %q: %s", part, heading[1])
			}
		}
	}
}
