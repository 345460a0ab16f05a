package awscloud

import (
	"context"
	"errors"
	"net"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Explain turns an error of AWS into one that says what to do about it; what is
// its first part where the error says nothing more telling. It returns nil for
// nil, and a *problem.Error in the chain as it is.
func Explain(err error, what string) *problem.Error {
	if err == nil {
		return nil
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	if errors.Is(err, context.Canceled) {
		return &problem.Error{What: what, Cause: err, Kind: problem.Cancelled}
	}
	p := &problem.Error{What: what, Cause: plain(err)}
	if missing, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
		p.Cause, p.Next = errors.New("there is no profile "+missing.Profile), "list the profiles: aws configure list-profiles"
		return p
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		p.Cause = dns
	}
	text := err.Error()
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		text = api.ErrorCode() + ": " + api.ErrorMessage()
	}
	if meaning, ok := MeaningOf(text); ok {
		p.Next = meaning.Next
		p.Kind = meaning.Kind
		if meaning.What != "" {
			p.What = meaning.What
		}
	}
	return p
}

// plain is err without what the SDK puts around it: the service's own words.
func plain(err error) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return errors.New(api.ErrorCode() + ": " + api.ErrorMessage())
	}
	return err
}

// Meaning is what an error of AWS means to a person.
type Meaning struct {
	What string // a better first part; empty: the caller's is good enough
	Next string
	Kind problem.Kind
}

// MeaningOf recognizes the errors that a person can do something about by the
// code and the words in their text, whichever tool brought them.
func MeaningOf(text string) (Meaning, bool) {
	for _, known := range []struct {
		pattern string
		Meaning
	}{
		{
			`Throttling|TooManyRequests|RequestLimitExceeded|Rate exceeded|SlowDown`,
			Meaning{What: "AWS asks to go slower", Next: "wait a minute, then run it again: it goes on where it stopped"},
		},
		{
			`ExpiredToken|security token included in the request is expired|token has expired|session has expired|SSO (session|token)`,
			Meaning{What: "the AWS credentials have expired", Next: "get new ones: aws sso login, or however you got these; then run it again"},
		},
		{
			`InvalidClientTokenId|UnrecognizedClientException|SignatureDoesNotMatch|AuthFailure|InvalidAccessKeyId|InvalidToken`,
			Meaning{What: "AWS does not know the credentials", Next: "check AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: aws sts get-caller-identity must succeed"},
		},
		{
			`No valid credential sources|failed to refresh cached credentials|no EC2 IMDS role found|get credentials|NoCredentialProviders`,
			Meaning{What: "there are no AWS credentials", Next: "log in: aws sso login, or set AWS_PROFILE; aws sts get-caller-identity must succeed", Kind: problem.Missing},
		},
		{
			`RequestTimeTooSkewed|RequestExpired|Signature expired|Signature not yet current`,
			Meaning{What: "the clock of this machine is wrong", Next: "set it: AWS refuses requests that are more than 5 minutes off"},
		},
		{
			`AWS account ID not allowed`,
			Meaning{What: "the AWS credentials are for another account", Next: "use the credentials of the account the environment was made in: aws sts get-caller-identity shows whose they are"},
		},
		{
			`OptInRequired|is not subscribed to this service|region is (not enabled|disabled)`,
			Meaning{What: "the AWS account has not enabled this region or service", Next: "enable the region in the account's settings, or set another one in gmctl.yaml"},
		},
		{
			`(Vcpu|Address|Vpc|NatGateway|InternetGateway|Cluster|Instance|Rule|Role|Bucket|SecurityGroup)\w*Limit(Exceeded)?|LimitExceeded|QuotaExceeded|TooManyBuckets|InsufficientDBInstanceCapacity|maximum number of [A-Za-z ]+ has been reached`,
			Meaning{What: "a quota of the AWS account is used up", Next: "raise it in the Service Quotas console, or remove what is not needed, then run it again: it goes on where it stopped"},
		},
		{
			`UnsupportedAvailabilityZone`,
			Meaning{What: "EKS does not work in one of the availability zones", Next: "set another region in gmctl.yaml"},
		},
		{
			`InsufficientInstanceCapacity|InsufficientFreeAddressesInSubnet`,
			Meaning{What: "AWS has no capacity for this here", Next: "try again later, or set another instance type or region in gmctl.yaml"},
		},
		{
			`BucketAlreadyExists|IllegalLocationConstraint`,
			Meaning{What: "the name of a bucket is taken", Next: "bucket names are unique worldwide: set another project or environment name in gmctl.yaml"},
		},
		{
			`AccessDenied|UnauthorizedOperation|UnauthorizedAccess|not authorized to perform|AuthorizationError|Forbidden`,
			Meaning{What: "the AWS credentials do not allow it", Next: "have an administrator of the account allow the action that the cause names"},
		},
		{
			`no such host|server misbehaving|could not resolve`,
			Meaning{What: "an AWS address is not known", Next: "check the spelling of the region in gmctl.yaml, and this machine's network"},
		},
		{
			`connection refused|network is unreachable|i/o timeout|TLS handshake timeout`,
			Meaning{What: "AWS cannot be reached", Next: "check this machine's network, its proxy (HTTPS_PROXY) and AWS_ENDPOINT_URL"},
		},
	} {
		if regexp.MustCompile(known.pattern).MatchString(text) {
			meaning := known.Meaning
			if action := deniedAction(text); action != "" {
				meaning.Next = "have an administrator of the account allow " + action
			}
			return meaning, true
		}
	}
	return Meaning{}, false
}

// deniedAction finds the action that AWS did not allow, such as "eks:CreateCluster".
func deniedAction(text string) string {
	found := regexp.MustCompile(`not authorized to perform: ([a-z0-9-]+:[A-Za-z*]+)`).FindStringSubmatch(text)
	if found == nil {
		return ""
	}
	return found[1]
}
