//go:build unix

package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/mod/modfile"

	"github.com/gamemetrics/gmctl/internal/testenv"
	"github.com/gamemetrics/gmctl/internal/testenv/cache"
	"github.com/gamemetrics/gmctl/internal/testenv/process"
)

// buildTimeout bounds the one build, which takes about 5 minutes on two cores.
const buildTimeout = 30 * time.Minute

// Binaries are the programs of a cluster on this machine.
type Binaries struct {
	Version string // of Kubernetes, as v1.35.4

	dir string
}

func (b Binaries) path(program string) string { return filepath.Join(b.dir, program) }

// kwokFile is a file that kwok's module ships, such as its CRDs.
func (b Binaries) kwokFile(path string) string { return filepath.Join(b.dir, "kwok-kustomize", path) }

// program is one that is built, from a package of a module below tools.
type program struct {
	name, module, pkg string
}

func programs() []program {
	const controlPlane, kwok = "controlplane", "kwok"
	return []program{
		{"kwok", kwok, "sigs.k8s.io/kwok/cmd/kwok"},
		{"etcd", controlPlane, "go.etcd.io/etcd/server/v3"},
		{"kube-scheduler", controlPlane, "k8s.io/kubernetes/cmd/kube-scheduler"},
		{"kube-controller-manager", controlPlane, "k8s.io/kubernetes/cmd/kube-controller-manager"},
		{"kube-apiserver", controlPlane, "k8s.io/kubernetes/cmd/kube-apiserver"},
	}
}

// Fetch returns the programs in the user's cache; the first call on a machine
// builds them from the Go module proxy. Any number of processes may call it at
// once. The error names what is missing.
func Fetch(ctx context.Context) (Binaries, error) {
	tools, err := findTools()
	if err != nil {
		return Binaries{}, err
	}
	goMod, err := os.ReadFile(filepath.Join(tools, "controlplane", "go.mod"))
	if err != nil {
		return Binaries{}, err
	}
	kwokMod, err := os.ReadFile(filepath.Join(tools, "kwok", "go.mod"))
	if err != nil {
		return Binaries{}, err
	}
	version, err := kubernetesVersion(goMod)
	if err != nil {
		return Binaries{}, err
	}
	dir, err := cache.Entry{
		Name: "kubernetes-" + version,
		Of:   [][]byte{goMod, kwokMod, []byte(runtime.Version()), []byte(runtime.GOARCH)},
		Fill: func(ctx context.Context, dir string) error { return build(ctx, tools, dir, version) },
	}.Dir(ctx)
	return Binaries{Version: version, dir: dir}, err
}

// findTools looks for the repository's folder of tools from the folder of the
// test upwards.
func findTools() (string, error) {
	root, err := testenv.Root()
	return filepath.Join(root, "tools"), err
}

func kubernetesVersion(goMod []byte) (string, error) {
	parsed, err := modfile.Parse("go.mod", goMod, nil)
	if err != nil {
		return "", err
	}
	for _, require := range parsed.Require {
		if require.Mod.Path == "k8s.io/kubernetes" {
			return require.Mod.Version, nil
		}
	}
	return "", errors.New("tools/controlplane/go.mod does not require k8s.io/kubernetes")
}

// build compiles the programs one after the other, which keeps the memory of
// the linker in bounds. Go's own build cache makes a second build quick.
func build(ctx context.Context, tools, dir, version string) error {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	if _, err := exec.LookPath("go"); err != nil {
		return errors.New("go is not on PATH")
	}
	for _, p := range programs() {
		cmd := exec.CommandContext(ctx, "go", "build", "-ldflags", linkerFlags(version), "-o", filepath.Join(dir, p.name), p.pkg)
		cmd.Dir = filepath.Join(tools, p.module)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=", "GOARCH=", "GOFLAGS=-mod=readonly", "GOWORK=off")
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w: %s", p.pkg, err, process.LastLines(string(output), 5))
		}
	}
	return copyKwokFiles(ctx, filepath.Join(tools, "kwok"), dir)
}

// linkerFlags leave out debug information and say which version it is, as the
// builds of Kubernetes do.
func linkerFlags(version string) string {
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	const component = " -X k8s.io/component-base/version."
	return "-s -w" + component + "gitVersion=" + version + component + "gitMajor=" + parts[0] +
		component + "gitMinor=" + parts[1] + component + "gitTreeState=clean"
}

// copyKwokFiles takes kwok's stages and CRDs from its module into dir.
func copyKwokFiles(ctx context.Context, module, dir string) error {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok")
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "GOWORK=off")
	from, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("find the module of kwok: %w", err)
	}
	return os.CopyFS(filepath.Join(dir, "kwok-kustomize"), os.DirFS(filepath.Join(strings.TrimSpace(string(from)), "kustomize")))
}
