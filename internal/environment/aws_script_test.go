//go:build unix

package environment_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gamemetrics/gmctl/internal/testenv"
	"github.com/gamemetrics/gmctl/internal/testenv/aws"
	"github.com/gamemetrics/gmctl/internal/testenv/binary"
	"github.com/gamemetrics/gmctl/internal/testenv/rehearsal"
	"github.com/gamemetrics/gmctl/internal/testenv/script"
)

// TestAWS is what a user meets on the way to AWS, from testdata/aws/*.txtar, with
// an emulated account and a real Terraform. $REFUSING, $EXPIRED, $DENYING and
// $UNREACHABLE are addresses for AWS_ENDPOINT_URL where AWS answers so, or not.
// $MANIFESTS is a folder of manifests that needs no network for its parts.
func TestAWS(t *testing.T) {
	aws.Terraform(t)
	account := aws.Run(t)
	gmctl := binary.Gmctl(t)
	manifests := filepath.Join(t.TempDir(), "k8s")
	testenv.Require(t, testenv.AWS, rehearsal.Manifests(t.Context(), manifests))
	answers := map[string]string{
		"REFUSING": answering(t, http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid."),
		"EXPIRED":  answering(t, http.StatusForbidden, "ExpiredToken", "The security token included in the request is expired"),
		"DENYING":  answering(t, http.StatusForbidden, "AccessDenied", "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: sts:GetCallerIdentity"),
	}
	script.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "aws"),
		Setup: func(env *testscript.Env) error {
			for _, entry := range account.Env() {
				name, value, _ := strings.Cut(entry, "=")
				env.Setenv(name, value)
			}
			for name, url := range answers {
				env.Setenv(name, url)
			}
			env.Setenv("UNREACHABLE", "http://127.0.0.1:1")
			env.Setenv("MANIFESTS", manifests)
			env.Setenv("AWS_MAX_ATTEMPTS", "1")
			for _, name := range []string{"TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR"} {
				env.Setenv(name, os.Getenv(name))
			}
			env.Setenv("PATH", filepath.Dir(gmctl)+string(os.PathListSeparator)+os.Getenv("PATH"))
			env.Setenv("WITHOUT_TERRAFORM", filepath.Dir(gmctl))
			return nil
		},
	})
}

// answering returns the address of an AWS that answers everything with an error.
func answering(t *testing.T, status int, code, message string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`<ErrorResponse><Error><Type>Sender</Type><Code>` + code + `</Code><Message>` + message + `</Message></Error><RequestId>test</RequestId></ErrorResponse>`))
	}))
	t.Cleanup(server.Close)
	return server.URL
}
