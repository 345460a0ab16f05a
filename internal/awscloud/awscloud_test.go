//go:build unix

package awscloud_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/problem"
	testaws "github.com/gamemetrics/gmctl/internal/testenv/aws"
)

func open(t *testing.T) (*awscloud.Session, *s3.Client) {
	t.Helper()
	testaws.Run(t).Setenv(t)
	session, err := awscloud.Open(t.Context(), awscloud.Options{Region: testaws.Region})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return session, s3.NewFromConfig(cfg)
}

func TestStateBucket(t *testing.T) {
	session, client := open(t)
	bucket := aws.String("gmctl-state-123456789012-eu-central-1")
	if there, err := session.HasStateBucket(t.Context()); there || err != nil {
		t.Fatalf("before: %t, %v", there, err)
	}
	for run, want := range []bool{true, false} {
		if created, err := session.EnsureStateBucket(t.Context()); created != want || err != nil {
			t.Fatalf("run %d: %t, %v", run, created, err)
		}
	}
	if there, err := session.HasStateBucket(t.Context()); !there || err != nil {
		t.Fatalf("after: %t, %v", there, err)
	}
	versioning, err := client.GetBucketVersioning(t.Context(), &s3.GetBucketVersioningInput{Bucket: bucket})
	if err != nil || versioning.Status != types.BucketVersioningStatusEnabled {
		t.Errorf("versioning: %+v, %v", versioning, err)
	}
	encryption, err := client.GetBucketEncryption(t.Context(), &s3.GetBucketEncryptionInput{Bucket: bucket})
	if err != nil || encryption.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm != types.ServerSideEncryptionAwsKms {
		t.Errorf("encryption: %+v, %v", encryption, err)
	}
	public, err := client.GetPublicAccessBlock(t.Context(), &s3.GetPublicAccessBlockInput{Bucket: bucket})
	if err != nil || !aws.ToBool(public.PublicAccessBlockConfiguration.BlockPublicPolicy) || !aws.ToBool(public.PublicAccessBlockConfiguration.RestrictPublicBuckets) {
		t.Errorf("public access: %+v, %v", public, err)
	}
	tags, err := client.GetBucketTagging(t.Context(), &s3.GetBucketTaggingInput{Bucket: bucket})
	if err != nil || len(tags.TagSet) != 2 {
		t.Errorf("tags: %+v, %v", tags, err)
	}
}

func TestEmptyBucket(t *testing.T) {
	session, client := open(t)
	if _, err := session.EnsureStateBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	bucket := session.StateBucket()
	for _, content := range []string{"first", "second"} {
		for _, key := range []string{"a", "b", "c"} {
			if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(content)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String("a")}); err != nil {
		t.Fatal(err)
	}
	deleted := 0
	if err := session.EmptyBucket(t.Context(), bucket, func(total int) { deleted = total }); err != nil {
		t.Fatal(err)
	}
	if deleted != 7 { // two versions of three objects, and a delete marker
		t.Errorf("%d versions deleted, want 7", deleted)
	}
	left, err := client.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &bucket})
	if err != nil || len(left.Versions)+len(left.DeleteMarkers) > 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
	if err := session.EmptyBucket(t.Context(), "not-there", nil); err != nil {
		t.Errorf("a bucket that is not there: %v", err)
	}
}

// AWS's own words, as its query APIs send them.
func stsError(code, message string) string {
	return `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>` + code +
		`</Code><Message>` + message + `</Message></Error></ErrorResponse>`
}

func TestCredentialsThatAWSRefuses(t *testing.T) {
	for _, c := range []struct {
		status     int
		code       string
		message    string
		what, next string
	}{
		{403, "ExpiredToken", "The security token included in the request is expired", "the AWS credentials have expired", "aws sso login"},
		{403, "InvalidClientTokenId", "The security token included in the request is invalid.", "AWS does not know the credentials", "AWS_PROFILE"},
		{403, "SignatureDoesNotMatch", "The request signature we calculated does not match", "AWS does not know the credentials", "AWS_SECRET_ACCESS_KEY"},
		{403, "AccessDenied", "User: arn:aws:iam::123456789012:user/x is not authorized to perform: sts:GetCallerIdentity", "the AWS credentials do not allow it", "allow sts:GetCallerIdentity"},
		{400, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", "the clock of this machine is wrong", "set it"},
	} {
		t.Run(c.code, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(stsError(c.code, c.message)))
			}))
			defer server.Close()
			environment(t, map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_MAX_ATTEMPTS": "1"})
			_, err := awscloud.Open(t.Context(), awscloud.Options{Region: testaws.Region})
			expect(t, err, c.what, c.next)
			if !strings.Contains(err.Error(), c.message) {
				t.Errorf("the cause is not in AWS's words: %v", err)
			}
		})
	}
}

func TestNoCredentials(t *testing.T) {
	environment(t, nil)
	_, err := awscloud.Open(t.Context(), awscloud.Options{Region: testaws.Region})
	expect(t, err, "there are no AWS credentials", "aws sso login")
	if p := problem.From(err); p.Kind != problem.Missing {
		t.Errorf("kind %v", p.Kind)
	}
}

func TestNoSuchProfile(t *testing.T) {
	environment(t, nil)
	_, err := awscloud.Open(t.Context(), awscloud.Options{Region: testaws.Region, Profile: "studio"})
	expect(t, err, "the AWS configuration cannot be used: there is no profile studio", "aws configure list-profiles")
}

func TestUnreachable(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	environment(t, map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_MAX_ATTEMPTS": "1"})
	_, err := awscloud.Open(t.Context(), awscloud.Options{Region: testaws.Region})
	expect(t, err, "AWS cannot be reached", "AWS_ENDPOINT_URL")
}

func TestMeaningOf(t *testing.T) {
	for text, what := range map[string]string{
		"VcpuLimitExceeded: You have requested more vCPU capacity than your current limit": "a quota of the AWS account is used up",
		"AddressLimitExceeded: The maximum number of addresses has been reached.":          "a quota of the AWS account is used up",
		"BucketAlreadyExists: The requested bucket name is not available":                  "the name of a bucket is taken",
		"Throttling: Rate exceeded":                                                            "AWS asks to go slower",
		"lookup eks.eu-centrl-1.amazonaws.com: no such host":                                   "an AWS address is not known",
		"AWS account ID not allowed: 210987654321":                                             "the AWS credentials are for another account",
		"UnsupportedAvailabilityZoneException: Cannot create cluster because us-east-1e":       "EKS does not work in one of the availability zones",
		"UnauthorizedOperation: You are not authorized to perform this operation.":             "the AWS credentials do not allow it",
		"operation error SSO: GetRoleCredentials, the SSO session has expired or is otherwise": "the AWS credentials have expired",
	} {
		if meaning, ok := awscloud.MeaningOf(text); !ok || meaning.What != what || meaning.Next == "" {
			t.Errorf("%q means %+v, want %q", text, meaning, what)
		}
	}
	if meaning, ok := awscloud.MeaningOf("InvalidParameterValue: no"); ok {
		t.Errorf("%+v", meaning)
	}
}

func TestExplainKeepsProblems(t *testing.T) {
	mine := &problem.Error{What: "mine"}
	if got := awscloud.Explain(errors.Join(mine), "x"); got != mine {
		t.Errorf("%v", got)
	}
	if got := awscloud.Explain(nil, "x"); got != nil {
		t.Errorf("%v", got)
	}
}

func expect(t *testing.T, err error, what, next string) {
	t.Helper()
	p := problem.From(err)
	if p == nil || !strings.HasPrefix(p.Error(), what) || !strings.Contains(p.Next, next) {
		t.Errorf("got %v, next %q; want %q, next %q", err, p.Next, what, next)
	}
}

// environment leaves no credentials of the machine but those given.
func environment(t *testing.T, values map[string]string) {
	t.Helper()
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
		t.Setenv(name, values[name])
	}
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	if attempts := values["AWS_MAX_ATTEMPTS"]; attempts != "" {
		t.Setenv("AWS_MAX_ATTEMPTS", attempts)
	}
}
