package environment

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"os"
	"path/filepath"
	"strings"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/paths"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/stage/infra"
)

// awsPlatform is a platform in an AWS account.
type awsPlatform struct {
	name    string
	dirs    paths.Dirs
	config  config.AWS
	options Options

	session func(context.Context) (*awscloud.Session, error)
	infra   *infra.Stage
}

var _ platform = (*awsPlatform)(nil)

func newAWSPlatform(name string, dirs paths.Dirs, cfg config.AWS, options Options) *awsPlatform {
	p := &awsPlatform{name: name, dirs: dirs, config: cfg, options: options}
	p.session = remember(func(ctx context.Context) (*awscloud.Session, error) {
		return awscloud.Open(ctx, awscloud.Options{Region: cfg.Region, Profile: cfg.Profile})
	})
	p.infra = infra.New(infra.Options{
		Open: p.session, Dir: filepath.Join(dirs.Data, "terraform"),
		Project: cfg.Project, Environment: name, ID: environmentID(cfg.Region, cfg.Project, name),
		Template: cfg.Template, Variables: variables(cfg), Env: terraformEnv(cfg),
		LocalState: cfg.State == config.StateLocal, Unprotect: options.Unprotect,
	})
	return p
}

// environmentID stands in the tags of all that is the environment's. It is made
// of what makes the environment's names unique in its account, so that it is the
// same wherever gmctl runs, and what is left over is found even where the state
// is lost.
func environmentID(region, project, name string) string {
	sum := sha256.Sum256([]byte(region + "/" + project + "/" + name))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10])) // 16 of a-z and 2-7
}

func (p *awsPlatform) nodes() []engine.Node {
	return []engine.Node{
		{Name: "infra", About: "what Terraform manages: network, cluster, database, cache, buckets", Stage: p.infra},
	}
}

// who is the ARN of the caller; without one the stages say what is wrong.
func (p *awsPlatform) who(ctx context.Context) string {
	session, err := p.session(ctx)
	if err != nil {
		return ""
	}
	return session.Caller
}

func (p *awsPlatform) ingestionURL(context.Context) (string, error) {
	return "", p.notYet("the event API")
}

// databaseURL has no answer: PostgreSQL has no address outside the VPC.
func (p *awsPlatform) databaseURL(context.Context) (string, error) {
	return "", p.notYet("PostgreSQL")
}

func (p *awsPlatform) kafka(context.Context) (kafka.Config, error) {
	return kafka.Config{}, p.notYet("Kafka")
}

func (p *awsPlatform) notYet(what string) error {
	return &problem.Error{What: what + " of " + p.name + " cannot be reached from here", Kind: problem.Unhealthy}
}

// clear removes Terraform's workspace. The journal stays: it is the audit trail
// of an account that others use too.
func (p *awsPlatform) clear() error {
	if err := os.RemoveAll(p.dirs.Data); err != nil {
		return &problem.Error{What: "not all files of the environment could be removed", Cause: err, Next: "remove " + p.dirs.Data}
	}
	return nil
}

// follow has nothing to stay with: nothing of the environment runs here.
func (p *awsPlatform) follow(context.Context) error {
	return &problem.Error{What: "the environment " + p.name + " does not run on this machine", Next: "leave out --foreground", Kind: problem.Usage}
}
