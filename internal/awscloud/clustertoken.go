package awscloud

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// How EKS knows who calls its Kubernetes API: the token is the presigned URL of
// an STS call, which the cluster makes to learn whose it is. The URL must say
// that it expires in a minute, and the cluster takes it for 15.
const (
	tokenPrefix   = "k8s-aws-v1."
	clusterHeader = "x-k8s-aws-id"   // binds the token to one cluster
	urlExpires    = "60"             // seconds
	tokenLasts    = 14 * time.Minute // one less than EKS allows, for clocks that differ
	expiresHeader = "X-Amz-Expires"  // moves into the URL when it is signed
)

// ClusterToken returns a token that the Kubernetes API of the EKS cluster takes
// as the session's caller, and when to ask for a new one.
func (s *Session) ClusterToken(ctx context.Context, cluster string) (token string, expires time.Time, err error) {
	what := "there is no token for the cluster " + cluster
	now := time.Now()
	credentials, err := s.config.Credentials.Retrieve(ctx)
	if err != nil {
		return "", time.Time{}, Explain(err, what)
	}
	presigned, err := sts.NewPresignClient(sts.NewFromConfig(s.config)).PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{},
		sts.WithPresignClientFromClientOptions(sts.WithAPIOptions(
			smithyhttp.SetHeaderValue(clusterHeader, cluster),
			smithyhttp.SetHeaderValue(expiresHeader, urlExpires),
		)))
	if err != nil {
		return "", time.Time{}, Explain(err, what)
	}
	expires = now.Add(tokenLasts)
	if credentials.CanExpire && credentials.Expires.Before(expires) {
		expires = credentials.Expires
	}
	return tokenPrefix + base64.RawURLEncoding.EncodeToString([]byte(presigned.URL)), expires, nil
}
