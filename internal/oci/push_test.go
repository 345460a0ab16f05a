package oci_test

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/gamemetrics/gmctl/internal/oci"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/testenv/binary"
)

// fault answers a request itself, and says whether it did.
type fault func(http.ResponseWriter, *http.Request) bool

// start starts a registry whose requests go through the fault first.
func start(t *testing.T, broken fault) (repository string) {
	t.Helper()
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken == nil || !broken(w, r) {
			inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://") + "/gamemetrics-dev/gmctl"
}

// tiny is an image of programs that do nothing.
func tiny(t *testing.T, cache string) *oci.Image {
	t.Helper()
	dir := t.TempDir()
	binary.Tiny(t, filepath.Join(dir, "gmctl-amd64"), amd64)
	binary.Tiny(t, filepath.Join(dir, "gmctl-arm64"), arm64)
	found, err := oci.FindBinaries(dir)
	if err != nil {
		t.Fatal(err)
	}
	image, err := oci.Build(t.Context(), found, cache)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// pull is the image of an architecture.
func pull(t *testing.T, repository, digest, architecture string) v1.Image {
	t.Helper()
	ref, err := name.NewDigest(repository + "@" + digest)
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Image(ref, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: architecture}))
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestBuildIsReproducible(t *testing.T) {
	cache := t.TempDir()
	first, second, cached := tiny(t, cache), tiny(t, t.TempDir()), tiny(t, cache)
	if first.Digest != second.Digest || first.Digest != cached.Digest || first.Size != cached.Size {
		t.Errorf("%s (%d bytes), made elsewhere %s, from the cache %s (%d bytes)", first.Digest, first.Size, second.Digest, cached.Digest, cached.Size)
	}
	if first.Describe() != "linux/amd64 and linux/arm64" || !strings.HasPrefix(first.Tag(), "dev-") {
		t.Errorf("%s, %s", first.Describe(), first.Tag())
	}
	kept, err := filepath.Glob(filepath.Join(cache, "*.tar.gz"))
	if err != nil || len(kept) != 2 {
		t.Fatalf("%q, %v", kept, err)
	}
	for _, half := range kept { // a cache that something has damaged
		if err := os.Truncate(half, 100); err != nil {
			t.Fatal(err)
		}
	}
	if again := tiny(t, cache); again.Digest != first.Digest {
		t.Errorf("from a damaged cache %s", again.Digest)
	}
}

func TestImageOfGmctlRuns(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("gmctl of this machine is for " + runtime.GOOS)
	}
	found, err := oci.Inspect(binary.Gmctl(t))
	if err != nil {
		t.Fatal(err)
	}
	image, err := oci.Build(t.Context(), []oci.Binary{found}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	repository := start(t, nil)
	if err := oci.Push(t.Context(), oci.Target{Repository: repository}, image, oci.Watch{}); err != nil {
		t.Fatal(err)
	}
	pulled := pull(t, repository, image.Digest, runtime.GOARCH)
	root := unpack(t, pulled)
	config, err := pulled.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532:65532" || config.Architecture != runtime.GOARCH || config.Config.Labels["org.opencontainers.image.version"] == "" {
		t.Errorf("%+v", config)
	}
	output, err := exec.CommandContext(t.Context(), filepath.Join(root, config.Config.Entrypoint[0]), "version").CombinedOutput()
	if err != nil || !strings.Contains(string(output), "gmctl") {
		t.Errorf("%v: %s", err, output)
	}
	authorities, err := os.ReadFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"))
	if err != nil || strings.Count(string(authorities), "BEGIN CERTIFICATE") < 100 {
		t.Errorf("%d bytes of certificates, %v", len(authorities), err)
	}
	if users, err := os.ReadFile(filepath.Join(root, "etc/passwd")); err != nil || !strings.Contains(string(users), "nonroot:x:65532:") {
		t.Errorf("%s, %v", users, err)
	}
	if temporary, err := os.Stat(filepath.Join(root, "tmp")); err != nil || temporary.Mode()&os.ModeSticky == 0 || temporary.Mode().Perm() != 0o777 {
		t.Errorf("%v, %v", temporary, err)
	}
}

func unpack(t *testing.T, image v1.Image) (root string) {
	t.Helper()
	root = t.TempDir()
	files := mutate.Extract(image)
	defer files.Close()
	archive := tar.NewReader(files)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return root
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(root, header.Name)
		if header.Typeflag == tar.TypeDir {
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, header.FileInfo().Mode()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, header.FileInfo().Mode())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(file, archive); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// counted counts requests of a method.
func counted(n *atomic.Int64, method string) fault {
	return func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == method {
			n.Add(1)
		}
		return false
	}
}

func TestPushSendsOnlyWhatIsMissing(t *testing.T) {
	var sent atomic.Int64
	repository, image := start(t, counted(&sent, http.MethodPatch)), tiny(t, t.TempDir())
	var done, total int64
	watch := oci.Watch{Progress: func(d, all int64) { done, total = d, all }}
	if err := oci.Push(t.Context(), oci.Target{Repository: repository}, image, watch); err != nil {
		t.Fatal(err)
	}
	if sent.Load() != 5 || done != total || total < image.Size {
		t.Errorf("%d parts sent, want base, two programs and two configurations; %d of %d bytes", sent.Load(), done, total)
	}
	if err := oci.Push(t.Context(), oci.Target{Repository: repository}, image, watch); err != nil || sent.Load() != 5 {
		t.Errorf("again: %d parts sent, %v", sent.Load(), err)
	}
	for _, architecture := range []string{"amd64", "arm64"} {
		if config, err := pull(t, repository, image.Digest, architecture).ConfigFile(); err != nil || config.Architecture != architecture {
			t.Errorf("for %s: %+v, %v", architecture, config, err)
		}
	}
}

// first has the fault meet the first n requests of a method.
func first(n int64, method string, broken fault) fault {
	var met atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) bool {
		return r.Method == method && met.Add(1) <= n && broken(w, r)
	}
}

func answer(status int) fault {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(status)
		return true
	}
}

// cut ends the connection when half of a body has come.
func cut(w http.ResponseWriter, r *http.Request) bool {
	_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
	connection, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = connection.Close()
	}
	return true
}

func TestPushOutlastsFaults(t *testing.T) {
	image := tiny(t, t.TempDir())
	for what, broken := range map[string]fault{
		"500 to the start of uploads":   first(3, http.MethodPost, answer(500)),
		"503 to parts":                  first(2, http.MethodPatch, answer(503)),
		"429 to manifests":              first(2, http.MethodPut, answer(429)),
		"a connection that is cut":      first(3, http.MethodPatch, cut),
		"500 to questions":              first(3, http.MethodHead, answer(500)),
		"429 to the first that it asks": first(1, http.MethodGet, answer(429)),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var told []string
			var done, total int64
			repository := start(t, broken)
			err := oci.Push(t.Context(), oci.Target{Repository: repository}, image, oci.Watch{
				Progress: func(d, all int64) { done, total = d, all },
				Retry: func(why string) {
					mu.Lock()
					defer mu.Unlock()
					told = append(told, why)
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(told) == 0 || done != total {
				t.Errorf("told %q; %d of %d bytes", told, done, total)
			}
			if _, err := pull(t, repository, image.Digest, "amd64").ConfigFile(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPushThatCannotSucceed(t *testing.T) {
	image := tiny(t, t.TempDir())
	for _, c := range []struct {
		name   string
		broken fault
		next   string
	}{
		{"not allowed", func(w http.ResponseWriter, r *http.Request) bool {
			return r.Method == http.MethodPost && answer(403)(w, r)
		}, "administrator"},
		{"no repository", func(w http.ResponseWriter, r *http.Request) bool {
			return r.Method == http.MethodPost && answer(404)(w, r)
		}, "gmctl up --only infra"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := oci.Push(t.Context(), oci.Target{Repository: start(t, c.broken), Username: "AWS", Password: "hunter2-secret"}, image, oci.Watch{})
			p := problem.From(err)
			if p == nil || !strings.Contains(p.Next, c.next) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v; next: %+v", err, p)
			}
		})
	}
}

func TestPushIsInterrupted(t *testing.T) {
	image := tiny(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	repository := start(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			cancel()
		}
		return false
	})
	err := oci.Push(ctx, oci.Target{Repository: repository}, image, oci.Watch{})
	if p := problem.From(err); p == nil || p.Kind != problem.Cancelled || p.Next == "" {
		t.Errorf("%v", err)
	}
	if err := oci.Push(t.Context(), oci.Target{Repository: repository}, image, oci.Watch{}); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestReleasedImageIsCopied(t *testing.T) {
	from, to, image := start(t, nil), start(t, nil), tiny(t, t.TempDir())
	if err := oci.Push(t.Context(), oci.Target{Repository: from}, image, oci.Watch{}); err != nil {
		t.Fatal(err)
	}
	released, err := oci.Released(from + "@" + image.Digest)
	if err != nil || released.Digest != image.Digest {
		t.Fatalf("%+v, %v", released, err)
	}
	if err := oci.Push(t.Context(), oci.Target{Repository: to}, released, oci.Watch{}); err != nil {
		t.Fatal(err)
	}
	for _, architecture := range []string{"amd64", "arm64"} {
		if config, err := pull(t, to, image.Digest, architecture).ConfigFile(); err != nil || config.Architecture != architecture {
			t.Errorf("for %s: %+v, %v", architecture, config, err)
		}
	}
	if _, err := oci.Released(from + ":latest"); err == nil || problem.From(err).Kind != problem.Usage {
		t.Errorf("by a tag: %v", err)
	}
	missing, err := oci.Released(from + "@sha256:" + strings.Repeat("0", 64))
	if err != nil {
		t.Fatal(err)
	}
	if err := oci.Push(t.Context(), oci.Target{Repository: to}, missing, oci.Watch{}); err == nil || problem.From(err).Next == "" {
		t.Errorf("one that is not there: %v", err)
	}
}
