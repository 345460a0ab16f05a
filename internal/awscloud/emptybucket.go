package awscloud

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// EmptyBucket deletes every version of every object in the bucket, in batches
// of up to 1000, and tells deleted how many are gone so far. A bucket that does
// not exist is empty.
func (s *Session) EmptyBucket(ctx context.Context, bucket string, deleted func(total int)) error {
	client := s3.NewFromConfig(s.config)
	pages := s3.NewListObjectVersionsPaginator(client, &s3.ListObjectVersionsInput{
		Bucket: aws.String(bucket), ExpectedBucketOwner: aws.String(s.Account),
	})
	total := 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == "NoSuchBucket" {
			return nil
		}
		if err != nil {
			return Explain(err, "the objects of bucket "+bucket+" could not be listed")
		}
		batch := versionsOf(page)
		if len(batch) == 0 {
			continue
		}
		answer, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
			Bucket: aws.String(bucket), ExpectedBucketOwner: aws.String(s.Account),
			Delete: &types.Delete{Objects: batch, Quiet: aws.Bool(true)},
		})
		if err != nil {
			return Explain(err, "the objects of bucket "+bucket+" could not be deleted")
		}
		if len(answer.Errors) > 0 {
			return errNotEmptied(bucket, answer.Errors)
		}
		total += len(batch)
		deleted(total)
	}
	return nil
}

func versionsOf(page *s3.ListObjectVersionsOutput) []types.ObjectIdentifier {
	var all []types.ObjectIdentifier
	for _, version := range page.Versions {
		all = append(all, types.ObjectIdentifier{Key: version.Key, VersionId: version.VersionId})
	}
	for _, marker := range page.DeleteMarkers {
		all = append(all, types.ObjectIdentifier{Key: marker.Key, VersionId: marker.VersionId})
	}
	return all
}
