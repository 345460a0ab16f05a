package awscloud

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// RegistryLogin lets its holder into the account's image registry.
type RegistryLogin struct {
	Username string
	Password string
	Expires  time.Time // 12 hours after it was given
}

// RegistryLogin returns a login to the account's image registry.
func (s *Session) RegistryLogin(ctx context.Context) (RegistryLogin, error) {
	what := "the image registry gave no login"
	answer, err := ecr.NewFromConfig(s.config).GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return RegistryLogin{}, Explain(err, what)
	}
	for _, given := range answer.AuthorizationData {
		// The error would quote the password.
		decoded, err := base64.StdEncoding.DecodeString(aws.ToString(given.AuthorizationToken))
		username, password, ok := strings.Cut(string(decoded), ":")
		if err == nil && ok {
			return RegistryLogin{Username: username, Password: password, Expires: aws.ToTime(given.ExpiresAt)}, nil
		}
	}
	return RegistryLogin{}, &problem.Error{What: what, Cause: errors.New("the answer of ECR holds none"), Next: "try again later"}
}

// HasImage reports whether the repository, named without its registry, holds
// the image of the digest. One that is not there holds nothing.
func (s *Session) HasImage(ctx context.Context, repository, digest string) (bool, error) {
	answer, err := ecr.NewFromConfig(s.config).DescribeImages(ctx, &ecr.DescribeImagesInput{
		RepositoryName: aws.String(repository), ImageIds: []types.ImageIdentifier{{ImageDigest: aws.String(digest)}},
	})
	_, noRepository := errors.AsType[*types.RepositoryNotFoundException](err)
	_, noImage := errors.AsType[*types.ImageNotFoundException](err)
	switch {
	case noRepository || noImage:
		return false, nil
	case err != nil:
		return false, Explain(err, "the images of "+repository+" cannot be looked at")
	}
	return len(answer.ImageDetails) > 0, nil
}

// Images lists the digests in the repository, named without its registry. One
// that is not there holds none.
func (s *Session) Images(ctx context.Context, repository string) ([]string, error) {
	var digests []string
	pages := ecr.NewListImagesPaginator(ecr.NewFromConfig(s.config), &ecr.ListImagesInput{RepositoryName: aws.String(repository)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if _, gone := errors.AsType[*types.RepositoryNotFoundException](err); gone {
			return nil, nil
		}
		if err != nil {
			return nil, Explain(err, "the images of "+repository+" cannot be listed")
		}
		for _, image := range page.ImageIds {
			digests = append(digests, aws.ToString(image.ImageDigest))
		}
	}
	return unique(digests), nil // listed once for each of its tags
}

func unique(all []string) []string {
	seen := make(map[string]bool, len(all))
	var once []string
	for _, one := range all {
		if !seen[one] {
			seen[one] = true
			once = append(once, one)
		}
	}
	return once
}

// deleteBatch is how many images ECR deletes in one request.
const deleteBatch = 100

// DeleteImages deletes all images of the repository, named without its
// registry; progress, which may be nil, is told how many are gone. An image that
// an index refers to can be deleted only after that index, so it passes over
// them as long as some go.
func (s *Session) DeleteImages(ctx context.Context, repository string, progress func(total int)) error {
	what := "the images of " + repository + " could not be deleted"
	client, gone := ecr.NewFromConfig(s.config), 0
	for {
		left, err := s.Images(ctx, repository)
		if err != nil || len(left) == 0 {
			return err
		}
		before, why := gone, error(nil)
		for start := 0; start < len(left); start += deleteBatch {
			var ids []types.ImageIdentifier
			for _, digest := range left[start:min(start+deleteBatch, len(left))] {
				ids = append(ids, types.ImageIdentifier{ImageDigest: aws.String(digest)})
			}
			answer, err := client.BatchDeleteImage(ctx, &ecr.BatchDeleteImageInput{RepositoryName: aws.String(repository), ImageIds: ids})
			if err != nil {
				return Explain(err, what)
			}
			gone += len(ids) - len(answer.Failures)
			for _, failure := range answer.Failures {
				why = fmt.Errorf("%s: %s", failure.FailureCode, aws.ToString(failure.FailureReason))
			}
			if progress != nil {
				progress(gone)
			}
		}
		if gone == before {
			return Explain(why, what)
		}
	}
}
