//go:build unix

package aws_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	testaws "github.com/gamemetrics/gmctl/internal/testenv/aws"
)

func TestAccount(t *testing.T) {
	account := testaws.Run(t)
	account.Setenv(t)
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil)
	if err != nil || *who.Account != testaws.AccountID {
		t.Errorf("%+v, %v", who, err)
	}
	if cfg.Region != testaws.Region {
		t.Errorf("region %s", cfg.Region)
	}
	other := testaws.Run(t)
	if other.Endpoint == account.Endpoint || !strings.HasPrefix(other.Endpoint, "http://127.0.0.1:") {
		t.Errorf("two accounts at %s and %s", account.Endpoint, other.Endpoint)
	}
}

func TestStartGivesUp(t *testing.T) {
	testaws.Run(t) // or is skipped
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if account, err := testaws.Start(ctx); err == nil {
		t.Errorf("%+v", account)
	}
}
