//go:build linux

package pods_test

import (
	"archive/tar"
	"bytes"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/gamemetrics/gmctl/internal/testenv"
	"github.com/gamemetrics/gmctl/internal/testenv/pods"
)

// require skips the test where pods cannot run.
func require(t *testing.T) {
	t.Helper()
	testenv.Require(t, testenv.Pods, pods.Available())
}

// guest builds the program that the tests' containers run, once.
var guest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "gmctl-guest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "guest")
	build := exec.Command("go", "build", "-o", path, "./testdata/guest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return output, err
	}
	return os.ReadFile(path)
})

// push serves a registry for the test and returns the reference of an image in
// it, by digest.
func push(t *testing.T) string {
	t.Helper()
	program, err := guest()
	if err != nil {
		t.Fatal(err, string(program))
	}
	server := httptest.NewServer(registry.New())
	t.Cleanup(server.Close)
	var layer bytes.Buffer
	files := tar.NewWriter(&layer)
	for _, file := range []struct {
		header  tar.Header
		content []byte
	}{
		{tar.Header{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755}, nil},
		{tar.Header{Name: "etc/passwd", Mode: 0o644}, []byte("root:x:0:0:root:/:/\nguest:x:1234:4321:guest:/:/\n")},
		{tar.Header{Name: "var/run", Typeflag: tar.TypeSymlink, Linkname: "/run"}, nil},
		{tar.Header{Name: "app/guest", Mode: 0o755}, program},
	} {
		file.header.Size = int64(len(file.content))
		if err := files.WriteHeader(&file.header); err != nil {
			t.Fatal(err)
		}
		files.Write(file.content)
	}
	files.Close()
	made, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, made)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{
		User: "guest", Entrypoint: []string{"guest"}, Cmd: []string{"of", "the", "image"}, WorkingDir: "/app",
		Env: []string{"PATH=/bin:/app", "FROM_IMAGE=yes", "REPLACED=no"},
	}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(strings.TrimPrefix(server.URL, "http://") + "/guest:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, image); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return tag.Digest(digest.String()).String()
}
