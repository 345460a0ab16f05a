package parts_test

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/gamemetrics/gmctl/internal/parts"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/k8s"
)

const (
	operator = "kind: Operator\n"
	role     = "kind: Role\n"
)

func sum(content string) string {
	digest := sha256.Sum256([]byte(content))
	return hex.EncodeToString(digest[:])
}

// manifests pin a part of two files that are at the address.
func manifests(address string) fstest.MapFS {
	lock := fmt.Sprintf(`
parts:
  - name: tool
    version: 1.0.0
    namespace: tools
    url: %s
    files:
      - name: operator.yaml
        sha256: %s
      - name: role.yaml
        sha256: %s
    images: [registry.example/tool:1.0.0]
`, address, sum(operator), sum(role))
	return fstest.MapFS{parts.LockFile: {Data: []byte(lock)}, "base/x/kustomization.yaml": {Data: []byte("resources: []\n")}}
}

func lock(t *testing.T, tree fs.FS) *parts.Lock {
	t.Helper()
	lock, err := parts.ReadLock(tree)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

// upstream serves the files; the first answers of each are failures.
func upstream(t *testing.T, files map[string]string, failures int) (address string, requests *atomic.Int64) {
	t.Helper()
	requests = new(atomic.Int64)
	left := map[string]*atomic.Int64{}
	for name := range files {
		left[name] = new(atomic.Int64)
		left[name].Store(int64(failures))
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		name := filepath.Base(r.URL.Path)
		content, ok := files[name]
		switch {
		case !ok:
			http.NotFound(w, r)
		case left[name].Add(-1) >= 0:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			_, _ = w.Write([]byte(content))
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/files/", requests
}

func wants(t *testing.T, err error, says ...string) {
	t.Helper()
	told, ok := errors.AsType[*problem.Error](err)
	if !ok || told.Next == "" {
		t.Fatalf("the error is %v", err)
	}
	for _, text := range says {
		if !strings.Contains(err.Error()+"; "+told.Next, text) {
			t.Errorf("the error is %v; next: %s; it should say %q", err, told.Next, text)
		}
	}
}

func TestPartsAreFetchedOnceAndLaidIntoTheTree(t *testing.T) {
	address, requests := upstream(t, map[string]string{"operator.yaml": operator, "role.yaml": role}, 1)
	tree := manifests(address)
	var told []string
	store := parts.Store{Dir: t.TempDir(), Progress: func(done, total int, file string) {
		told = append(told, fmt.Sprintf("%d/%d", done, total))
	}}
	for range 2 {
		joined, err := store.Tree(t.Context(), tree)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"parts/tool/operator.yaml":      operator,
			"parts/tool/role.yaml":          role,
			"parts/tool/kustomization.yaml": "- operator.yaml\n- role.yaml\n",
			"base/x/kustomization.yaml":     "resources: []\n",
		} {
			if got, err := fs.ReadFile(joined, name); err != nil || !strings.Contains(string(got), want) {
				t.Errorf("%s is %q, %v", name, got, err)
			}
		}
	}
	if got := requests.Load(); got != 4 { // each file failed once
		t.Errorf("%d requests", got)
	}
	if strings.Join(told, " ") != "1/2 2/2" {
		t.Errorf("told %v", told)
	}
	if err := store.Verify(lock(t, tree)); err != nil {
		t.Error(err)
	}
}

func TestAnotherFileThanThePinnedOneIsRefused(t *testing.T) {
	address, _ := upstream(t, map[string]string{"operator.yaml": "kind: Miner\n", "role.yaml": role}, 0)
	store := parts.Store{Dir: t.TempDir()}
	_, err := store.Tree(t.Context(), manifests(address))
	wants(t, err, "tool 1.0.0, operator.yaml", sum("kind: Miner\n"), sum(operator), address, "--from DIR")
	if states, err := store.States(lock(t, manifests(address)).Parts[0]); err != nil || states[0] != parts.Absent {
		t.Errorf("in the store: %v, %v", states, err)
	}
}

func TestAnAlteredFileIsFetchedAnew(t *testing.T) {
	address, _ := upstream(t, map[string]string{"operator.yaml": operator, "role.yaml": role}, 0)
	tree := manifests(address)
	store := parts.Store{Dir: t.TempDir()}
	if _, err := store.Fetch(t.Context(), lock(t, tree)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(store.Dir, "tool", "1.0.0", "role.yaml"), []byte("kind: Miner\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	wants(t, store.Verify(lock(t, tree)), "tool 1.0.0, role.yaml", sum("kind: Miner\n"), "gmctl parts fetch")
	if states, err := store.States(lock(t, tree).Parts[0]); err != nil || states[1] != parts.Altered {
		t.Errorf("in the store: %v, %v", states, err)
	}
	if n, err := store.Fetch(t.Context(), lock(t, tree)); n != 1 || err != nil {
		t.Errorf("fetched %d, %v", n, err)
	}
}

func TestAFileThatIsNotThereIsAskedForOnce(t *testing.T) {
	address, requests := upstream(t, map[string]string{"role.yaml": role}, 0)
	_, err := parts.Store{Dir: t.TempDir()}.Fetch(t.Context(), lock(t, manifests(address)))
	wants(t, err, "tool 1.0.0, operator.yaml", "404 Not Found", "HTTPS_PROXY")
	if got := requests.Load(); got > 2 {
		t.Errorf("%d requests", got)
	}
}

func TestAStoreIsFilledWithoutANetwork(t *testing.T) {
	tree := manifests("https://nowhere.invalid/")
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "some", "where"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"some/where/operator.yaml": operator, "renamed": role, "README": "more"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	archive := filepath.Join(t.TempDir(), "parts.tar.gz")
	pack(t, archive, map[string]string{"parts/operator.yaml": operator, "parts/role.yaml": role})
	for _, from := range []string{folder, archive} {
		store := parts.Store{Dir: t.TempDir()}
		if n, err := store.Fill(lock(t, tree), from); n != 2 || err != nil {
			t.Fatalf("%s: took %d, %v", from, n, err)
		}
		if _, err := store.Tree(t.Context(), tree); err != nil {
			t.Error(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "some/where/operator.yaml"), []byte("another"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := parts.Store{Dir: t.TempDir()}.Fill(lock(t, tree), folder)
	wants(t, err, "tool 1.0.0, operator.yaml", folder, sum("another"), sum(operator))
	_, err = parts.Store{Dir: t.TempDir()}.Fill(lock(t, tree), filepath.Join(folder, "absent"))
	wants(t, err, "absent", "--from DIR")
}

func pack(t *testing.T, path string, files map[string]string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	zipped := gzip.NewWriter(file)
	archive := tar.NewWriter(zipped)
	for name, content := range files {
		err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg})
		if _, writeErr := archive.Write([]byte(content)); err != nil || writeErr != nil {
			t.Fatal(err, writeErr)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestManifestsCanHoldTheirPartsThemselves(t *testing.T) {
	tree := manifests("vendor/tool/")
	tree["vendor/tool/operator.yaml"] = &fstest.MapFile{Data: []byte(operator)}
	tree["vendor/tool/role.yaml"] = &fstest.MapFile{Data: []byte(role)}
	store := parts.Store{Dir: filepath.Join(t.TempDir(), "never made")}
	joined, err := store.Tree(t.Context(), tree)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := fs.ReadFile(joined, "parts/tool/role.yaml"); err != nil || string(got) != role {
		t.Errorf("%q, %v", got, err)
	}
	tree["vendor/tool/role.yaml"] = &fstest.MapFile{Data: []byte("another")}
	_, err = store.Tree(t.Context(), tree)
	wants(t, err, "tool 1.0.0, role.yaml", sum("another"), "vendor/tool/role.yaml")
}

func TestALockThatCannotBeTrustedIsRefused(t *testing.T) {
	good := string(manifests("https://example.com/")[parts.LockFile].Data)
	for name, change := range map[string][2]string{
		"a misspelt field":       {"version:", "versoin:"},
		"a digest cut short":     {sum(role), sum(role)[:40]},
		"a way out":              {"role.yaml", "../role.yaml"},
		"a file twice":           {"role.yaml", "operator.yaml"},
		"a way out of the cache": {"1.0.0\n    namespace", "../1.0.0\n    namespace"},
		"no folder":              {"https://example.com/", "/etc/"},
		"another scheme":         {"https://", "ftp://"},
	} {
		changed := strings.Replace(good, change[0], change[1], 1)
		if changed == good {
			t.Fatalf("%s changes nothing", name)
		}
		_, err := parts.ReadLock(fstest.MapFS{parts.LockFile: {Data: []byte(changed)}})
		if err == nil {
			t.Errorf("%s is taken", name)
			continue
		}
		wants(t, err, parts.LockFile)
	}
}

func TestTheBuiltInLockIsValid(t *testing.T) {
	names := map[string]bool{}
	for _, part := range lock(t, k8s.Tree).Parts {
		names[part.Name] = true
		if len(part.Files) == 0 || len(part.Images) == 0 || part.Namespace == "" {
			t.Errorf("%s is incomplete", part)
		}
		for _, image := range part.Images {
			if !strings.Contains(image, ":") || strings.HasSuffix(image, ":latest") {
				t.Errorf("%s: %s has no version", part, image)
			}
		}
	}
	for _, name := range []string{"strimzi", "metrics-server", "argocd"} {
		if !names[name] {
			t.Errorf("%s is not pinned", name)
		}
	}
}
