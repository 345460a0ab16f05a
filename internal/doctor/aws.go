package doctor

import (
	"context"
	"fmt"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Account is whose AWS account an environment would be made in.
type Account struct {
	ID     string
	Caller string // ARN
	// State is the bucket of Terraform's state, and whether it is there already.
	State    string
	HasState bool
}

// AWSChecks lists what is looked at for an environment on AWS: gmctl's part of
// it runs on the machine, and the rest elsewhere.
func AWSChecks() []Check {
	return []Check{
		{"system", checkSystem},
		{"disk", checkDisk},
		{"directories", checkDirectories},
		{"clock", checkClock},
		{"terraform", checkTerraform},
		{"AWS account", checkAccount},
		{"image", checkImage},
		{"kubectl", checkTool("kubectl", "to look into the cluster by hand", "install it from https://kubernetes.io/docs/tasks/tools/", "version --client")},
	}
}

func checkTerraform(ctx context.Context, m Machine, _ Subject) Finding {
	found, err := m.Terraform(ctx)
	if err != nil {
		return missing("not found", problem.From(err))
	}
	return Finding{Status: OK, Found: fmt.Sprintf("%s in %s", found.Version, found.Path)}
}

func checkAccount(ctx context.Context, m Machine, s Subject) Finding {
	account, err := m.Account(ctx, s.AWS)
	if err != nil {
		return missing("cannot be used, in "+s.AWS.Region, problem.From(err))
	}
	state := "has the bucket of Terraform's state"
	if !account.HasState {
		state = "gmctl up makes the bucket of Terraform's state"
	}
	return Finding{Status: OK, Found: fmt.Sprintf("%s in %s, as %s; %s", account.ID, s.AWS.Region, account.Caller, state)}
}

// checkImage looks whether gmctl can be put into an image as it is.
func checkImage(_ context.Context, m Machine, s Subject) Finding {
	switch {
	case s.AWS.Image.Source != config.ImageSelf:
		return Finding{Status: OK, Found: "made of " + s.AWS.Image.Source}
	case m.OS == "linux":
		return Finding{Status: OK, Found: "made of this gmctl"}
	}
	return Finding{
		Status: Missing, Found: "this gmctl is for " + m.OS,
		Why:  "nodes run Linux",
		Next: "unpack a release for Linux and set image.source in gmctl.yaml to its folder",
	}
}

func account(ctx context.Context, cfg config.AWS) (Account, error) {
	session, err := awscloud.Open(ctx, awscloud.Options{Region: cfg.Region, Profile: cfg.Profile})
	if err != nil {
		return Account{}, err
	}
	found := Account{ID: session.Account, Caller: session.Caller, State: session.StateBucket()}
	found.HasState, err = session.HasStateBucket(ctx)
	return found, err
}
