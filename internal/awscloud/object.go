package awscloud

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// Object returns the content of an object of a bucket, or fs.ErrNotExist where
// the object or its bucket is not there.
func (s *Session) Object(ctx context.Context, bucket, key string) ([]byte, error) {
	what := "s3://" + bucket + "/" + key + " cannot be read"
	answer, err := s3.NewFromConfig(s.config).GetObject(ctx, &s3.GetObjectInput{
		Bucket: aws.String(bucket), Key: aws.String(key), ExpectedBucketOwner: aws.String(s.Account),
	})
	if api, ok := errors.AsType[smithy.APIError](err); ok && (api.ErrorCode() == "NoSuchKey" || api.ErrorCode() == "NoSuchBucket") {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, Explain(err, what)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, Explain(err, what)
	}
	return content, nil
}

// PutObject writes an object of a bucket.
func (s *Session) PutObject(ctx context.Context, bucket, key string, content []byte) error {
	_, err := s3.NewFromConfig(s.config).PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: bytes.NewReader(content), ExpectedBucketOwner: aws.String(s.Account)})
	if err != nil {
		return Explain(err, "s3://"+bucket+"/"+key+" cannot be written")
	}
	return nil
}
