// Package awscloud talks to AWS: whose account it is, the bucket of Terraform's
// state, and the few things that Terraform cannot do. Its errors say what to do
// about them.
package awscloud

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
)

// Options say where to work and as whom.
type Options struct {
	Region  string // required
	Profile string // of the shared configuration; empty: the environment's or the default
}

// Session is a way into one region of one account.
type Session struct {
	Account string // its id
	Caller  string // ARN of who works there
	Region  string

	config aws.Config
}

// Open finds credentials, in the order of every AWS tool, and asks AWS whose
// they are. The error is a *problem.Error.
func Open(ctx context.Context, options Options) (*Session, error) {
	load := []func(*config.LoadOptions) error{
		config.WithRegion(options.Region),
		config.WithLogger(logging.Nop{}), // it would write to stderr past the events
	}
	if options.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(options.Profile))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, Explain(err, "the AWS configuration cannot be used")
	}
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		return nil, Explain(err, "AWS did not accept the credentials")
	}
	return &Session{Account: aws.ToString(who.Account), Caller: aws.ToString(who.Arn), Region: options.Region, config: cfg}, nil
}
