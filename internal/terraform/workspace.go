package terraform

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/terraform"
)

// Options describe a workspace.
type Options struct {
	Binary Binary
	// Dir is the workspace's own; nothing of it is lost if it is deleted while
	// no terraform runs there, unless the state is local.
	Dir         string
	Environment string            // which of terraform/environments
	Variables   map[string]any    // of that environment, as its variables.tf types them
	Targets     []string          // plan these resources alone, and what they need; empty: all
	Backend     *S3               // where the state is; nil: in Dir
	Env         map[string]string // environment variables over this process's own, such as AWS_PROFILE
	// Account tells what it holds of the environment. With it, what a killed
	// apply has made and not written down is found again; nil: it is not looked for.
	Account Account
	Grace   time.Duration // what an interrupted apply gets to finish what it is at; 0: two minutes
	Poll    time.Duration // how often an apply's messages are looked for; 0: 100 ms
}

// Account is where the environment's resources are.
type Account interface {
	// Owned lists what carries the environment's tags, maybe also what is
	// deleted already.
	Owned(context.Context) ([]awscloud.Resource, error)
	// Present keeps those that are really there.
	Present(context.Context, []awscloud.Resource) ([]awscloud.Resource, error)
}

// S3 is where a state is kept.
type S3 struct {
	Bucket string
	Key    string // of the object
	Region string
}

// Workspace is a folder in which Terraform manages one environment. Its methods
// are for one caller at a time, except that Plan for a preview may run beside
// the Apply of another process.
type Workspace struct {
	Options
	fingerprint string // of configuration and variables
}

// Open writes the configuration and the variables into the workspace's folder.
// It starts no terraform.
func Open(options Options) (*Workspace, error) {
	if options.Grace <= 0 {
		options.Grace = 2 * time.Minute
	}
	if options.Poll <= 0 {
		options.Poll = 100 * time.Millisecond
	}
	w := &Workspace{Options: options}
	if _, err := fs.Stat(terraform.Tree, "environments/"+options.Environment); err != nil {
		return nil, &problem.Error{What: "there is no Terraform environment " + options.Environment, Next: "use dev or prod", Kind: problem.Usage}
	}
	if err := w.write(); err != nil {
		return nil, &problem.Error{What: "the Terraform configuration could not be written to " + options.Dir, Cause: err, Next: "make sure that this user can write there, and that the disk is not full"}
	}
	return w, nil
}

// LocalState is where the workspace in dir keeps its state without a Backend.
func LocalState(dir string) string { return filepath.Join(dir, "terraform.tfstate") }

// Fingerprint identifies the configuration and the variables, wherever they are.
func (w *Workspace) Fingerprint() string { return w.fingerprint }

// root is the folder that terraform runs in.
func (w *Workspace) root() string { return filepath.Join(w.Dir, "tree", "environments", w.Environment) }

const (
	variablesFile = "gmctl.auto.tfvars.json"
	backendFile   = "gmctl_override.tf.json"
)

func (w *Workspace) write() error {
	if err := os.MkdirAll(w.Dir, 0o700); err != nil {
		return err
	}
	sum := sha256.New()
	wanted := map[string]bool{}
	put := func(path string, content []byte) error {
		wanted[path] = true
		return replaceFile(path, content)
	}
	err := fs.WalkDir(terraform.Tree, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".tf") {
			return err
		}
		content, err := terraform.Tree.ReadFile(path)
		if err != nil {
			return err
		}
		_, _ = sum.Write([]byte(path)) // a hash takes everything
		_, _ = sum.Write(content)
		return put(filepath.Join(w.Dir, "tree", filepath.FromSlash(path)), content)
	})
	if err != nil {
		return err
	}
	variables, err := json.MarshalIndent(w.Variables, "", "  ")
	if err != nil {
		return err
	}
	_, _ = sum.Write(variables)
	w.fingerprint = hex.EncodeToString(sum.Sum(nil)[:12])
	if err := put(filepath.Join(w.root(), variablesFile), variables); err != nil {
		return err
	}
	if w.Backend == nil {
		local, err := json.Marshal(map[string]any{"terraform": map[string]any{"backend": map[string]any{
			"local": map[string]any{"path": LocalState(w.Dir)},
		}}})
		if err != nil {
			return err
		}
		if err := put(filepath.Join(w.root(), backendFile), local); err != nil {
			return err
		}
	}
	return w.dropStrangers(wanted)
}

// dropStrangers deletes configuration of an earlier gmctl that this one does
// not have: Terraform reads every file of a folder.
func (w *Workspace) dropStrangers(wanted map[string]bool) error {
	return filepath.WalkDir(filepath.Join(w.Dir, "tree"), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == ".terraform":
			return filepath.SkipDir
		case entry.IsDir() || wanted[path] || entry.Name() == importsFile:
			return nil
		case strings.HasSuffix(path, ".tf") || strings.HasSuffix(path, ".tf.json"):
			return os.Remove(path)
		}
		return nil
	})
}

// replaceFile has path hold content, all of it or as it was.
func replaceFile(path string, content []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return err
	}
	_, err = temporary.Write(content)
	err = errors.Join(err, temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}
