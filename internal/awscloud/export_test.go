package awscloud

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
)

// Offline returns a session of which AWS was not asked whose it is.
func Offline(t *testing.T, region string) *Session {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(region))
	if err != nil {
		t.Fatal(err)
	}
	return &Session{Region: region, config: cfg}
}
