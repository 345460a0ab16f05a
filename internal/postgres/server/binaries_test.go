package server_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gamemetrics/gmctl/internal/postgres/server"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// fakePrograms makes a directory with an initdb and a postgres that say they
// are of the given version.
func fakePrograms(t *testing.T, version string) string {
	t.Helper()
	dir := filepath.Join(openDir(t), "bin")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestInspect(t *testing.T) {
	tests := map[string]struct {
		version string
		major   int
		refused string
	}{
		"Debian's":       {version: "15.18 (Debian 15.18-0+deb12u1)", major: 15},
		"plain":          {version: "17.5", major: 17},
		"a beta":         {version: "18beta1", major: 18},
		"development":    {version: "19devel", major: 19},
		"the oldest":     {version: "14.0", major: 14},
		"too old":        {version: "13.21", refused: "needs 14"},
		"something else": {version: "", refused: "not a version"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := fakePrograms(t, test.version)
			found, err := server.Inspect(t.Context(), dir)
			if test.refused != "" {
				if err == nil || !strings.Contains(err.Error(), test.refused) {
					t.Errorf("got %+v, %v", found, err)
				}
				return
			}
			version, _, _ := strings.Cut(test.version, " ")
			if err != nil || found.Major != test.major || found.Dir != dir || found.Version != version {
				t.Errorf("got %+v, %v", found, err)
			}
		})
	}
}

func TestFindPrefersWhatTheUserNamed(t *testing.T) {
	onPath, named := fakePrograms(t, "16.1"), fakePrograms(t, "15.2")
	t.Setenv("PATH", onPath)
	for _, test := range []struct{ explicit, want string }{{"", onPath}, {named, named}} {
		found, err := server.Find(t.Context(), test.explicit, t.TempDir(), nil)
		if err != nil || found.Dir != test.want {
			t.Errorf("with %q: %+v, %v", test.explicit, found, err)
		}
	}
	empty := openDir(t)
	_, err := server.Find(t.Context(), empty, t.TempDir(), nil)
	if p := problem.From(err); p == nil || p.Kind != problem.Missing || !strings.Contains(p.What, empty) || p.Next == "" {
		t.Errorf("an empty directory gives %v", err)
	}
}

func TestFindMajorPrefersThoseThatMadeTheData(t *testing.T) {
	t.Setenv("PATH", fakePrograms(t, "16.1")+string(os.PathListSeparator)+fakePrograms(t, "99.2"))
	found, err := server.FindMajor(t.Context(), 99, "", t.TempDir(), nil)
	if err != nil || found.Major != 99 {
		t.Errorf("got %+v, %v", found, err)
	}
}

// repository is a Maven repository that has every artifact.
type repository struct {
	asked atomic.Int64
	jar   []byte
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	archive, err := os.ReadFile("testdata/binaries.txz")
	if err != nil {
		t.Fatal(err)
	}
	var jar bytes.Buffer
	writer := zip.NewWriter(&jar)
	entry, err := writer.Create("postgres.txz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := entry.Write(archive); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	r := &repository{jar: jar.Bytes()}
	listening := httptest.NewServer(r)
	t.Cleanup(listening.Close)
	t.Setenv(server.RepositoryVariable, listening.URL)
	return r
}

func (r *repository) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if strings.HasSuffix(request.URL.Path, ".sha256") {
		sum := sha256.Sum256(r.jar)
		w.Write([]byte(hex.EncodeToString(sum[:])))
		return
	}
	r.asked.Add(1)
	w.Write(r.jar)
}

func TestADownloadIsMadeOnceForAll(t *testing.T) {
	repository := newRepository(t)
	cache := filepath.Join(openDir(t), "cache")
	if err := os.MkdirAll(filepath.Join(cache, "postgres-17.5-linux-amd64.new-1", "half"), 0o755); err != nil {
		t.Fatal(err)
	}
	var told atomic.Int64
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			found, err := server.Downloaded(t.Context(), 17, cache, func(string) { told.Add(1) })
			if err != nil || !found.Downloaded || found.Version != "17.5" {
				t.Errorf("got %+v, %v", found, err)
			}
		})
	}
	wait.Wait()
	if asked := repository.asked.Load(); asked != 1 || told.Load() != 1 {
		t.Errorf("downloaded %d times, told %d times", asked, told.Load())
	}
	left, err := filepath.Glob(filepath.Join(cache, "*.new-*"))
	if err != nil || len(left) > 0 && strings.Contains(left[0], "linux-amd64") {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAFailedDownloadSaysWhatElseToDo(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	t.Setenv(server.RepositoryVariable, gone.URL)
	cache := openDir(t)
	for _, network := range []string{"the artifact is missing", "there is no network"} {
		t.Run(network, func(t *testing.T) {
			_, err := server.Downloaded(t.Context(), 0, cache, nil)
			p := problem.From(err)
			if p == nil || p.Kind != problem.Missing {
				t.Fatalf("got %v", err)
			}
			wantIn(t, p.Next, "install", "local.postgres.binaries", cache, server.RepositoryVariable)
			entries, err := os.ReadDir(cache)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range entries {
				if entry.IsDir() {
					t.Errorf("left behind: %s", entry.Name())
				}
			}
		})
		gone.Close()
	}
}

func TestADownloadCanBeCancelled(t *testing.T) {
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer slow.Close()
	defer close(release)
	t.Setenv(server.RepositoryVariable, slow.URL)
	ctx, cancel := context.WithCancel(t.Context())
	cache := openDir(t)
	_, err := server.Downloaded(ctx, 0, cache, func(string) { cancel() })
	if err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("got %v", err)
	}
}
