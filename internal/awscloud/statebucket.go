package awscloud

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// StateBucket is the name of the bucket that holds the Terraform state of all
// environments in this account and region.
func (s *Session) StateBucket() string {
	return fmt.Sprintf("gmctl-state-%s-%s", s.Account, s.Region)
}

// HasStateBucket reports whether the bucket is there.
func (s *Session) HasStateBucket(ctx context.Context) (bool, error) {
	_, err := s3.NewFromConfig(s.config).HeadBucket(ctx, &s3.HeadBucketInput{
		Bucket: aws.String(s.StateBucket()), ExpectedBucketOwner: aws.String(s.Account),
	})
	if err == nil {
		return true, nil
	}
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok && response.HTTPStatusCode() == http.StatusNotFound {
		return false, nil
	}
	return false, s.notOurs(err)
}

// notOurs explains an error about the state bucket. S3 says "Forbidden" of a
// bucket that belongs to another account.
func (s *Session) notOurs(err error) error {
	p := Explain(err, "the bucket of Terraform's state, "+s.StateBucket()+", cannot be used")
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok && response.HTTPStatusCode() == http.StatusForbidden {
		p.What = "the bucket of Terraform's state, " + s.StateBucket() + ", is closed to " + s.Caller
		p.Next = "have an administrator allow s3:* on it; if it belongs to another account, name another bucket in gmctl.yaml"
	}
	return p
}

// EnsureStateBucket makes the bucket if it is not there and has it versioned,
// encrypted, private and tagged; doing so again changes nothing. It reports
// whether it made it.
func (s *Session) EnsureStateBucket(ctx context.Context) (created bool, err error) {
	there, err := s.HasStateBucket(ctx)
	if err != nil {
		return false, err
	}
	client := s3.NewFromConfig(s.config)
	if !there {
		if err := s.createStateBucket(ctx, client); err != nil {
			return false, Explain(err, "the bucket of Terraform's state, "+s.StateBucket()+", could not be made")
		}
		created = true
	}
	if err := s.protectStateBucket(ctx, client); err != nil {
		return created, Explain(err, "the bucket of Terraform's state, "+s.StateBucket()+", could not be protected")
	}
	return created, nil
}

func (s *Session) createStateBucket(ctx context.Context, client *s3.Client) error {
	input := &s3.CreateBucketInput{Bucket: aws.String(s.StateBucket())}
	if s.Region != "us-east-1" { // S3's default has no name there
		input.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(s.Region)}
	}
	_, err := client.CreateBucket(ctx, input)
	if _, ours := errors.AsType[*types.BucketAlreadyOwnedByYou](err); ours { // another gmctl was quicker
		return nil
	}
	return err
}

func (s *Session) protectStateBucket(ctx context.Context, client *s3.Client) error {
	bucket := aws.String(s.StateBucket())
	versioning, err := client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: bucket})
	if err != nil {
		return err
	}
	if versioning.Status == types.BucketVersioningStatusEnabled { // it comes last below
		return nil
	}
	if _, err := client.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
		Bucket: bucket,
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
			BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true),
			IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true),
		},
	}); err != nil {
		return err
	}
	if _, err := client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
		Bucket: bucket,
		ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
			BucketKeyEnabled:                   aws.Bool(true),
			ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAwsKms},
		}}},
	}); err != nil {
		return err
	}
	if _, err := client.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{
		Bucket: bucket,
		Tagging: &types.Tagging{TagSet: []types.Tag{
			{Key: aws.String("ManagedBy"), Value: aws.String("gmctl")},
			{Key: aws.String("Purpose"), Value: aws.String("terraform-state")},
		}},
	}); err != nil {
		return err
	}
	_, err = client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	return err
}

// errNotEmptied is what EmptyBucket says of objects that S3 kept.
func errNotEmptied(bucket string, kept []types.Error) error {
	first := kept[0]
	return &problem.Error{
		What:  fmt.Sprintf("%d objects of bucket %s could not be deleted", len(kept), bucket),
		Cause: fmt.Errorf("%s: %s: %s", aws.ToString(first.Key), aws.ToString(first.Code), aws.ToString(first.Message)),
		Next:  "see whether an object lock or a policy keeps them",
	}
}
