// Package image is the stage of gmctl's own container image: made without a
// container engine, in the environment's registry, named by its digest.
package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/oci"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/terraform"
)

// Options say what the image is made of and where it goes.
type Options struct {
	Open    func(context.Context) (*awscloud.Session, error)  // into the environment's account and region
	Outputs func(context.Context) (*terraform.Outputs, error) // of the infrastructure
	Source  string                                            // Self, a folder of Linux binaries, or a released image as HOST/NAME@sha256:…
	Cache   string                                            // folder for what takes time to make
	Program func() (path string, err error)                   // of the gmctl that runs; nil: os.Executable
}

// Self has the image made of the gmctl that runs.
const Self = "self"

// repositoryName is the repository among those of the infrastructure.
const repositoryName = "gmctl"

// Stage is the image.
type Stage struct {
	Options

	mu   sync.Mutex
	made *oci.Image // of this process's source, which does not change
}

var _ engine.Stage = (*Stage)(nil)

// New returns the stage.
func New(options Options) *Stage {
	if options.Program == nil {
		options.Program = os.Executable
	}
	return &Stage{Options: options}
}

// Reference names the image as the cluster pulls it, REPOSITORY@sha256:…. The
// registry is not asked, so that it is known before the image is pushed; the
// error is terraform.ErrNothingThere before there is a repository.
func (s *Stage) Reference(ctx context.Context) (string, error) {
	image, err := s.image(ctx)
	if err != nil {
		return "", err
	}
	at, err := s.repository(ctx)
	if err != nil {
		return "", err
	}
	return at + "@" + image.Digest, nil
}

// image is the image, made but not pushed.
func (s *Stage) image(ctx context.Context) (*oci.Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made != nil {
		return s.made, nil
	}
	made, err := s.make(ctx)
	if err != nil {
		return nil, err
	}
	s.made = made
	return made, nil
}

// repository is the URL of the repository.
func (s *Stage) repository(ctx context.Context) (string, error) {
	outputs, err := s.Outputs(ctx)
	if err != nil {
		return "", err
	}
	url, ok := outputs.Repositories[repositoryName]
	if !ok {
		return "", &problem.Error{What: "the infrastructure has no repository " + repositoryName, Next: "make it: gmctl up --only infra"}
	}
	return url, nil
}

// nameOf is the repository without its registry, as ECR's API names it.
func nameOf(repository string) string {
	_, name, _ := strings.Cut(repository, "/")
	return name
}

// Plan says whether the image is to be pushed.
func (s *Stage) Plan(ctx context.Context, goal engine.Goal) (engine.Plan, error) {
	if goal == engine.GoalAbsent {
		return s.planAbsent(ctx)
	}
	image, err := s.image(ctx)
	if err != nil {
		return engine.Plan{}, err
	}
	there, err := s.there(ctx, image)
	if err != nil && !notMade(err) || there {
		return engine.Plan{}, err
	}
	return engine.Plan{Changes: []engine.Change{{Action: engine.ActionCreate, Object: "image of gmctl", Detail: describe(image)}}}, nil
}

// notMade reports whether the registry is not made yet, or only half.
func notMade(err error) bool {
	return errors.Is(err, terraform.ErrNothingThere) || errors.Is(err, terraform.ErrIncomplete)
}

// planAbsent says how many images are to be deleted.
func (s *Stage) planAbsent(ctx context.Context) (engine.Plan, error) {
	at, err := s.repository(ctx)
	if err != nil { // not there, or half made: it goes with the infrastructure, images and all
		return engine.Plan{}, ctx.Err()
	}
	session, err := s.Open(ctx)
	if err != nil {
		return engine.Plan{}, err
	}
	images, err := session.Images(ctx, nameOf(at))
	if err != nil || len(images) == 0 {
		return engine.Plan{}, err
	}
	return engine.Plan{Changes: []engine.Change{{
		Action: engine.ActionDelete, Object: "images in " + nameOf(at), Detail: humanize.Plural(len(images), "manifest"),
	}}}, nil
}

// there reports whether the registry has the image.
func (s *Stage) there(ctx context.Context, image *oci.Image) (bool, error) {
	at, err := s.repository(ctx)
	if err != nil {
		return false, err
	}
	session, err := s.Open(ctx)
	if err != nil {
		return false, err
	}
	return session.HasImage(ctx, nameOf(at), image.Digest)
}

// describe is the image in a few words.
func describe(image *oci.Image) string {
	words := []string{image.Digest[:len("sha256:")+12]}
	if image.Version != "" {
		words = append(words, fmt.Sprintf("%s for %s", image.Version, image.Describe()))
	}
	if image.Size > 0 {
		words = append(words, humanize.Bytes(image.Size))
	}
	return strings.Join(words, ", ")
}

// Apply pushes the image, unless the registry has it.
func (s *Stage) Apply(ctx context.Context, report engine.Reporter) error {
	image, err := s.image(ctx)
	if err != nil {
		return err
	}
	at, err := s.repository(ctx)
	if err != nil {
		return err
	}
	session, err := s.Open(ctx)
	if err != nil {
		return err
	}
	there, err := session.HasImage(ctx, nameOf(at), image.Digest)
	if err != nil || there {
		return err
	}
	login, err := session.RegistryLogin(ctx)
	if err != nil {
		return err
	}
	return oci.Push(ctx, oci.Target{Repository: at, Username: login.Username, Password: login.Password}, image, oci.Watch{
		Progress: func(done, total int64) {
			report.Report(engine.Update{Kind: engine.UpdateProgress, Message: "pushing " + image.Tag(), Done: done, Total: total, Unit: "bytes"})
		},
		Retry: func(why string) {
			report.Report(engine.Update{Kind: engine.UpdateWaiting, Message: "the registry, to try again: " + why})
		},
	})
}

// Check looks whether the registry has the image.
func (s *Stage) Check(ctx context.Context) (engine.Health, error) {
	image, err := s.image(ctx)
	if err != nil {
		return engine.Health{}, err
	}
	there, err := s.there(ctx, image)
	switch {
	case notMade(err):
		return engine.Health{State: engine.StateAbsent}, nil
	case err != nil:
		return engine.Health{}, err
	case there:
		return engine.Health{State: engine.StateReady, Summary: describe(image)}, nil
	}
	return engine.Health{State: engine.StateDegraded, Problem: &problem.Error{
		What: "the registry does not have the image of this gmctl, " + describe(image), Next: "push it: gmctl up --only image",
	}}, nil
}

// Destroy deletes all images of the repository, which is the infrastructure's.
func (s *Stage) Destroy(ctx context.Context, report engine.Reporter) error {
	at, err := s.repository(ctx)
	if err != nil { // not there, or half made: it goes with the infrastructure, images and all
		return ctx.Err()
	}
	session, err := s.Open(ctx)
	if err != nil {
		return err
	}
	return session.DeleteImages(ctx, nameOf(at), func(total int) {
		report.Report(engine.Update{Kind: engine.UpdateProgress, Message: "deleting images of " + nameOf(at), Done: int64(total), Unit: "images"})
	})
}
