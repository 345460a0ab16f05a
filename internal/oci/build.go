package oci

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Entrypoint is the program in the image.
const Entrypoint = "/usr/local/bin/gmctl"

// Image is one that can be pushed.
type Image struct {
	Digest    string   // sha256:…, of the index of all platforms
	Size      int64    // bytes of all its parts; 0: not known
	Platforms []string // linux/amd64, …; nil: not known
	Version   string   // of gmctl in it; empty: not known

	content func(context.Context) (remote.Taggable, error)
}

// Tag names the image for people: its version and the beginning of its digest,
// so that a tag never moves.
func (i *Image) Tag() string {
	const digits = 12
	_, hex, _ := strings.Cut(i.Digest, ":")
	version := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("._-", r) {
			return r
		}
		return '_' // a tag may not hold the + of a version
	}, cmp.Or(i.Version, "released"))
	return strings.TrimLeft(version, ".-") + "-" + hex[:min(digits, len(hex))]
}

// Build makes the image of the binaries, at least one and at most one of a
// platform. What takes time to make is kept in the folder cache.
func Build(ctx context.Context, binaries []Binary, cache string) (*Image, error) {
	image, err := build(ctx, binaries, cache)
	if err != nil {
		return nil, &problem.Error{What: "the image of gmctl could not be made", Cause: err, Next: "check that there is space in " + cache}
	}
	return image, nil
}

func build(ctx context.Context, binaries []Binary, cache string) (*Image, error) {
	foundation, err := base()
	if err != nil {
		return nil, err
	}
	layers := make([]*layer, len(binaries))
	group, _ := errgroup.WithContext(ctx)
	for i, binary := range binaries {
		group.Go(func() (err error) {
			layers[i], err = cachedProgram(cache, binary.Path)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	made := &Image{Version: binaries[0].Version, Size: foundation.Bytes}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for i, binary := range binaries {
		one, err := single(binary, foundation, layers[i])
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: one, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: binary.Architecture}},
		})
		made.Size += layers[i].Bytes
		made.Platforms = append(made.Platforms, binary.Platform())
	}
	annotated, ok := mutate.Annotations(index, annotations(binaries[0])).(v1.ImageIndex)
	if !ok {
		return nil, fmt.Errorf("an index with annotations is a %T", annotated)
	}
	digest, err := annotated.Digest()
	if err != nil {
		return nil, err
	}
	made.Digest = digest.String()
	made.content = func(context.Context) (remote.Taggable, error) { return annotated, nil }
	return made, nil
}

// single is the image of one platform.
func single(binary Binary, layers ...*layer) (v1.Image, error) {
	created := time.Unix(0, 0).UTC()
	if at, err := time.Parse(time.RFC3339, binary.Created); err == nil {
		created = at.UTC()
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for i, made := range layers {
		history := v1.History{CreatedBy: []string{"certificates and users", "gmctl " + binary.Version}[i], Created: v1.Time{Time: created}}
		var err error
		if image, err = mutate.Append(image, mutate.Addendum{Layer: made, History: history, MediaType: types.OCILayer}); err != nil {
			return nil, err
		}
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", binary.Architecture, v1.Time{Time: created}
	config.Config = v1.Config{
		User: fmt.Sprintf("%d:%d", user, user), WorkingDir: "/home/nonroot", Entrypoint: []string{Entrypoint},
		Env:    []string{"PATH=/usr/local/bin", "HOME=/home/nonroot", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
		Labels: annotations(binary),
	}
	image, err = mutate.ConfigFile(image, config)
	if err != nil {
		return nil, err
	}
	annotated, ok := mutate.Annotations(image, annotations(binary)).(v1.Image)
	if !ok {
		return nil, fmt.Errorf("an image with annotations is a %T", annotated)
	}
	return annotated, nil
}

// annotations say what the image is, in the words of the OCI.
func annotations(binary Binary) map[string]string {
	all := map[string]string{"org.opencontainers.image.title": "gmctl", "org.opencontainers.image.version": binary.Version}
	if binary.Revision != "" {
		all["org.opencontainers.image.revision"] = binary.Revision
	}
	if binary.Created != "" {
		all["org.opencontainers.image.created"] = binary.Created
	}
	return all
}

// Describe is the image in a few words: "linux/amd64 and linux/arm64".
func (i *Image) Describe() string { return strings.Join(slices.Clone(i.Platforms), " and ") }
