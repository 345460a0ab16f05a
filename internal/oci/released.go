package oci

import (
	"context"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Released is an image that a registry holds, named by its digest as
// HOST/NAME@sha256:…. It is looked at only when it is pushed, as whoever docker
// login has made known to that registry.
func Released(reference string) (*Image, error) {
	ref, err := name.NewDigest(reference)
	if err != nil {
		return nil, &problem.Error{
			What: reference + " names no image", Cause: err,
			Next: "name it by its digest, which a tag may leave for another: HOST/NAME@sha256:…", Kind: problem.Usage,
		}
	}
	return &Image{Digest: ref.DigestStr(), content: func(ctx context.Context) (remote.Taggable, error) {
		found, err := remote.Get(ref, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithRetryBackoff(patience()))
		if err != nil {
			return nil, explain(err, "the image "+reference+" cannot be read")
		}
		return found, nil
	}}, nil
}
