package image

import (
	"context"
	"strings"

	"github.com/gamemetrics/gmctl/internal/buildinfo"
	"github.com/gamemetrics/gmctl/internal/oci"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// make makes the image of what the configuration names.
func (s *Stage) make(ctx context.Context) (*oci.Image, error) {
	switch {
	case s.Source == "" || s.Source == Self:
		running, err := s.running()
		if err != nil {
			return nil, err
		}
		return oci.Build(ctx, []oci.Binary{running}, s.Cache)
	case strings.Contains(s.Source, "@"):
		return oci.Released(s.Source)
	}
	binaries, err := oci.FindBinaries(s.Source)
	if err != nil {
		return nil, err
	}
	return oci.Build(ctx, binaries, s.Cache)
}

// running is the gmctl that runs, which knows best what it is.
func (s *Stage) running() (oci.Binary, error) {
	path, err := s.Program()
	if err != nil {
		return oci.Binary{}, &problem.Error{What: "gmctl does not find its own program", Cause: err, Next: "set image.source in gmctl.yaml to a folder with Linux binaries of gmctl"}
	}
	found, err := oci.Inspect(path)
	if err != nil {
		return oci.Binary{}, err
	}
	this := buildinfo.Get()
	found.Version, found.Revision, found.Created = this.Version, this.Commit, this.Date
	return found, nil
}
