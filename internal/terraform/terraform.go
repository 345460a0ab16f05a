package terraform

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/terraform-exec/tfexec"

	"github.com/gamemetrics/gmctl/internal/engine"
)

// collectAt has Terraform and its provider, which live for a command, collect less
// garbage: that is quicker, and takes 200 MiB more memory.
const collectAt = "300"

// environ is what every terraform of the workspace gets: the process's own
// environment, without what would change how terraform is driven, and Env.
func (w *Workspace) environ() map[string]string {
	env := map[string]string{}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	env = tfexec.CleanEnv(env)
	// It says where the working folder's own .terraform is.
	delete(env, "TF_DATA_DIR")
	maps.Copy(env, w.Env)
	env["CHECKPOINT_DISABLE"] = "1"
	if env["GOGC"] == "" {
		env["GOGC"] = collectAt
	}
	return env
}

// terraform returns a runner for commands that may be killed at any time.
func (w *Workspace) terraform() (*tfexec.Terraform, error) {
	runner, err := tfexec.NewTerraform(w.root(), w.Binary.Path)
	if err != nil {
		return nil, err
	}
	if err := runner.SetWaitDelay(w.Grace); err != nil {
		return nil, err
	}
	return runner, runner.SetEnv(w.environ())
}

// Init has Terraform fetch the provider and find its state, unless that was
// done before for the same configuration.
func (w *Workspace) Init(ctx context.Context) error {
	mark, content := filepath.Join(w.root(), ".terraform", "gmctl-init"), w.initFingerprint()
	if done, err := os.ReadFile(mark); err == nil && string(done) == content {
		return nil
	}
	if err := os.Remove(mark); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	runner, err := w.terraform()
	if err != nil {
		return err
	}
	options := []tfexec.InitOption{tfexec.Reconfigure(true)}
	if w.Backend != nil {
		options = append(options, tfexec.BackendConfig("bucket="+w.Backend.Bucket),
			tfexec.BackendConfig("key="+w.Backend.Key), tfexec.BackendConfig("region="+w.Backend.Region))
	}
	messages := &stream{}
	if err := runner.InitJSON(ctx, messages, options...); err != nil {
		return w.explain(ctx, "Terraform could not be initialized", err, messages.Diagnostics)
	}
	return replaceFile(mark, []byte(content))
}

// initFingerprint identifies what an init depends on: of the variables nothing,
// so that a changed one needs no new init.
func (w *Workspace) initFingerprint() string {
	sum := sha256.New()
	for _, part := range []string{
		w.Binary.Version, w.Backend.String(), w.environ()["TF_CLI_CONFIG_FILE"], w.environ()["AWS_ENDPOINT_URL"], w.environ()["AWS_PROFILE"],
	} {
		_, _ = sum.Write([]byte(part + "\n")) // a hash takes everything
	}
	_ = filepath.WalkDir(filepath.Join(w.Dir, "tree"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".tf") {
			return nil //nolint:nilerr // what cannot be read is missed by terraform, too
		}
		content, _ := os.ReadFile(path)
		_, _ = sum.Write(content)
		return nil
	})
	return hex.EncodeToString(sum.Sum(nil))
}

func (s *S3) String() string {
	if s == nil {
		return "local"
	}
	return s.Bucket + "/" + s.Key + "@" + s.Region
}

// again reports whether the error is that the work of an init is gone, such as
// when a cache was emptied, and forgets the init.
func (w *Workspace) again(diagnostics []Diagnostic) bool {
	for _, d := range diagnostics {
		if strings.Contains(d.Detail, "terraform init") || strings.Contains(d.Summary, "Required plugins are not installed") {
			return os.Remove(filepath.Join(w.root(), ".terraform", "gmctl-init")) == nil
		}
	}
	return false
}

// silent is told what a plan does: there is nobody to hear it.
type silent struct{}

func (silent) Report(engine.Update) {}

// recoverState pushes a state that an earlier terraform could not write to its
// backend, and left in a file.
func (w *Workspace) recoverState(ctx context.Context) error {
	left := filepath.Join(w.root(), "errored.tfstate")
	if _, err := os.Stat(left); err != nil {
		return nil //nolint:nilerr // as a rule there is none
	}
	runner, err := w.terraform()
	if err != nil {
		return err
	}
	push := func() error { return runner.StatePush(ctx, left) }
	if err := w.unlocking(ctx, silent{}, push); err != nil {
		p := w.explain(ctx, "the state that an earlier run could not save is still only in "+left, err, nil)
		if p.Next == "" {
			p.Next = "see what differs: terraform -chdir=" + w.root() + " state pull; then push it, or delete the file"
		}
		return p
	}
	return os.Rename(left, filepath.Join(w.Dir, "recovered.tfstate"))
}
