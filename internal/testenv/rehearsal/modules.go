//go:build unix

package rehearsal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/gamemetrics/gmctl/internal/parts"
	"github.com/gamemetrics/gmctl/k8s"
)

// Manifests writes the platform's manifests into dir, as Start has them, but for
// the definitions of Strimzi: enough to plan with, and no Java is needed.
func Manifests(ctx context.Context, dir string) error {
	folders, err := sources(ctx)
	if err != nil {
		return err
	}
	return writeManifests(dir, nil, folders)
}

// modules are the Go modules in which parts release their manifests, and where.
func modules() map[string]struct{ path, folder string } {
	return map[string]struct{ path, folder string }{
		"argocd":         {"github.com/argoproj/argo-cd/v3", "manifests"},
		"metrics-server": {"sigs.k8s.io/metrics-server", "manifests/base"},
	}
}

// sources returns the folder of each part's manifests, from the Go module of the
// version that the lock pins.
func sources(ctx context.Context) (map[string]string, error) {
	lock, err := parts.ReadLock(k8s.Tree)
	if err != nil {
		return nil, err
	}
	folders := map[string]string{}
	for _, part := range lock.Parts {
		module, ok := modules()[part.Name]
		if !ok {
			continue
		}
		dir, err := download(ctx, module.path+"@v"+part.Version)
		if err != nil {
			return nil, err
		}
		folders[part.Name] = filepath.Join(dir, module.folder)
	}
	return folders, nil
}

// download returns the folder of a Go module.
func download(ctx context.Context, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	cmd.Dir = os.TempDir() // no module's own folder
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	var answer struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(output, &answer); jsonErr != nil || answer.Dir == "" {
		return "", fmt.Errorf("the Go module %s cannot be had: %w: %s%s", module, err, answer.Error, stderr.String())
	}
	return answer.Dir, nil
}
