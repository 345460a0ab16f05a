//go:build unix

package awscloud_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	testaws "github.com/gamemetrics/gmctl/internal/testenv/aws"
)

// presigned is the URL that a cluster finds in a token.
func presigned(t *testing.T, token string) *url.URL {
	t.Helper()
	encoded, ok := strings.CutPrefix(token, "k8s-aws-v1.")
	if !ok || strings.Contains(encoded, "=") {
		t.Fatalf("the token is %s", token)
	}
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// What the cluster does with a token: it makes the call and reads whose it is.
func TestClusterToken(t *testing.T) {
	session, _ := open(t)
	before := time.Now()
	token, expires, err := session.ClusterToken(t.Context(), "gamemetrics-dev")
	if err != nil {
		t.Fatal(err)
	}
	if lasts := expires.Sub(before); lasts < 13*time.Minute || lasts > 15*time.Minute {
		t.Errorf("it lasts %s", lasts)
	}
	at := presigned(t, token)
	query := at.Query()
	if query.Get("Action") != "GetCallerIdentity" || query.Get("X-Amz-Expires") != "60" || query.Get("X-Amz-Signature") == "" {
		t.Errorf("the URL is %s", at)
	}
	if signed := strings.Split(query.Get("X-Amz-SignedHeaders"), ";"); !slices.Equal(signed, []string{"host", "x-k8s-aws-id"}) {
		t.Errorf("signed are the headers %q: a cluster refuses others", signed)
	}
	if !strings.HasPrefix(at.String(), os.Getenv("AWS_ENDPOINT_URL")) {
		t.Errorf("the URL is not at AWS_ENDPOINT_URL: %s", at)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("x-k8s-aws-id", "gamemetrics-dev")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(body), session.Caller) {
		t.Errorf("STS answered %d %s, %v", response.StatusCode, body, err)
	}
}

// Against AWS itself the URL is the region's, as clusters ask for.
func TestClusterTokenOfARegion(t *testing.T) {
	environment(t, map[string]string{"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "of-a-role"})
	token, _, err := awscloud.Offline(t, testaws.Region).ClusterToken(t.Context(), "gamemetrics-dev")
	if err != nil {
		t.Fatal(err)
	}
	at := presigned(t, token)
	if at.Scheme != "https" || at.Host != "sts.eu-central-1.amazonaws.com" || at.Query().Get("X-Amz-Security-Token") != "of-a-role" {
		t.Errorf("the URL is %s", at)
	}
}
