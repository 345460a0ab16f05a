package awscloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// SecretValue is what a secret of Secrets Manager holds now. However it is
// printed, its values are not.
type SecretValue struct {
	Version string            // id of the version
	Fields  map[string]string // the strings of the JSON object that it is
}

// String names the fields and keeps their values.
func (v SecretValue) String() string {
	return fmt.Sprintf("version %s of %q", v.Version, slices.Sorted(maps.Keys(v.Fields)))
}

// GoString is String, so that %#v tells no more than %v.
func (v SecretValue) GoString() string { return v.String() }

// LogValue is String, so that a log tells no more.
func (v SecretValue) LogValue() slog.Value { return slog.StringValue(v.String()) }

// MarshalJSON refuses: a secret goes into no document.
func (v SecretValue) MarshalJSON() ([]byte, error) {
	return nil, errors.New("a secret is not written down")
}

// Secret returns what the secret holds now.
func (s *Session) Secret(ctx context.Context, arn string) (SecretValue, error) {
	answer, err := secretsmanager.NewFromConfig(s.config).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(arn)})
	if err != nil {
		return SecretValue{}, secretProblem(err, arn)
	}
	value := SecretValue{Version: aws.ToString(answer.VersionId), Fields: map[string]string{}}
	var object map[string]any
	// The error would quote the secret.
	if json.Unmarshal([]byte(aws.ToString(answer.SecretString)), &object) != nil {
		return SecretValue{}, &problem.Error{
			What: "the secret " + arn + " cannot be used", Cause: errors.New("it is not a JSON object"),
			Next: `put one there, such as {"username": …, "password": …}`,
		}
	}
	for name, field := range object {
		if text, ok := field.(string); ok {
			value.Fields[name] = text
		}
	}
	return value, nil
}

// secretVersion is the stage of the version that GetSecretValue returns.
const secretVersion = "AWSCURRENT"

// SecretVersion returns the id of the version that the secret holds now, without
// its value.
func (s *Session) SecretVersion(ctx context.Context, arn string) (string, error) {
	answer, err := secretsmanager.NewFromConfig(s.config).DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(arn)})
	if err != nil {
		return "", secretProblem(err, arn)
	}
	for version, stages := range answer.VersionIdsToStages {
		if slices.Contains(stages, secretVersion) {
			return version, nil
		}
	}
	return "", &problem.Error{What: "the secret " + arn + " holds no value", Next: "have it made: gmctl up --only infra"}
}

func secretProblem(err error, arn string) error {
	p := Explain(err, "the secret "+arn+" cannot be read")
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		p.Next = "make it again: gmctl up --only infra"
	}
	return p
}
