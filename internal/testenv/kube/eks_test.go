//go:build unix

package kube_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	authentication "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	testaws "github.com/gamemetrics/gmctl/internal/testenv/aws"
	testkube "github.com/gamemetrics/gmctl/internal/testenv/kube"
)

func TestTokensOfTheEKSClusterAreAcceptedAndNoOthers(t *testing.T) {
	shared := cluster.Cluster(t)
	account := testaws.Run(t)
	account.Setenv(t)
	eks := testkube.EKS{Cluster: "gamemetrics-dev", STSEndpoint: account.Endpoint, Account: testaws.AccountID}
	shared.AcceptEKS(eks)
	token := eksToken(t, "gamemetrics-dev")

	who, err := withToken(t, token).AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authentication.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := who.Status.UserInfo.Username; got != "arn:aws:iam::"+testaws.AccountID+":root" {
		t.Errorf("the user is %s", got)
	}
	if _, err := withToken(t, token).CoreV1().Secrets("").List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("a caller of the account is no admin: %v", err)
	}

	elsewhere := "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(presigned(t, "gamemetrics-dev"), account.Endpoint, "http://127.0.0.1:1", 1)))
	for name, refused := range map[string]string{
		"another cluster":   eksToken(t, "gamemetrics-prod"),
		"another endpoint":  elsewhere,
		"no token of EKS":   "abc",
		"no URL in it":      "k8s-aws-v1.abc",
		"changed after all": "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(presigned(t, "gamemetrics-dev")+"&X-Amz-Foo=1")),
	} {
		if _, err := withToken(t, refused).CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{}); !apierrors.IsUnauthorized(err) {
			t.Errorf("%s: %v", name, err)
		}
	}

	eks.Account = "210987654321"
	shared.AcceptEKS(eks)
	eventually(t, func() (string, bool) { // the API server remembers a token for a second
		_, err := withToken(t, token).CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
		return fmt.Sprint("a caller of another account: ", err), apierrors.IsUnauthorized(err)
	})
}

// withToken returns a client that has nothing but a token.
func withToken(t *testing.T, token string) *kubernetes.Clientset {
	t.Helper()
	shared := cluster.Cluster(t)
	client, err := kubernetes.NewForConfig(&rest.Config{
		Host: shared.Endpoint, BearerToken: token, TLSClientConfig: rest.TLSClientConfig{CAData: shared.CA},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func eksToken(t *testing.T, cluster string) string {
	t.Helper()
	return "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(presigned(t, cluster)))
}

// presigned is made with the AWS SDK alone, as any client of EKS does.
func presigned(t *testing.T, cluster string) string {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	header := sts.WithAPIOptions(smithyhttp.SetHeaderValue("x-k8s-aws-id", cluster), smithyhttp.SetHeaderValue("X-Amz-Expires", "60"))
	request, err := sts.NewPresignClient(sts.NewFromConfig(cfg)).PresignGetCallerIdentity(t.Context(), nil, sts.WithPresignClientFromClientOptions(header))
	if err != nil {
		t.Fatal(err)
	}
	return request.URL
}
