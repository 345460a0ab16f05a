//go:build unix

package terraform

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/terraform"
)

type reports []engine.Update

func (r *reports) Report(update engine.Update) { *r = append(*r, update) }

// The messages of terraform apply -json, shortened.
func hook(kind, resourceType, name, key, action string) string {
	address := "module.x." + resourceType + "." + name
	if key != "" {
		address += `[\"` + key + `\"]`
		key = `"` + key + `"`
	} else {
		key = "null"
	}
	return `{"@level":"info","type":"` + kind + `","hook":{"resource":{"addr":"` + address + `","resource_type":"` + resourceType +
		`","resource_name":"` + name + `","resource_key":` + key + `},"action":"` + action + `","elapsed_seconds":10}}` + "\n"
}

func TestProgress(t *testing.T) {
	var told reports
	p := &progress{report: &told, total: 3, counted: true}
	messages := &stream{Each: p.take}
	output := `{"type":"version","terraform":"1.11.4"}` + "\nno message\n" +
		`{"type":"planned_change","change":{"resource":{"addr":"a"},"action":"create"}}` + "\n" +
		hook("apply_start", "aws_route_table", "private", "eu-central-1a", "create") +
		hook("apply_start", "aws_eks_cluster", "this", "", "create") +
		hook("apply_complete", "aws_route_table", "private", "eu-central-1a", "create") +
		hook("apply_progress", "aws_eks_cluster", "this", "", "create") +
		hook("apply_complete", "aws_eks_cluster", "this", "", "create") +
		hook("apply_start", "aws_eks_node_group", "this", "data", "delete") +
		hook("apply_complete", "aws_eks_node_group", "this", "data", "delete")
	for part := range slices.Chunk([]byte(output), 7) { // as pipes cut it
		if _, err := messages.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	want := []engine.Update{
		{Kind: engine.UpdateProgress, Message: "creating route table eu-central-1a", Done: 0},
		{Kind: engine.UpdateWaiting, Message: "EKS cluster to be created", Done: 0, Usually: 10 * time.Minute},
		{Kind: engine.UpdateWaiting, Message: "EKS cluster to be created", Done: 1, Usually: 10 * time.Minute},
		{Kind: engine.UpdateWaiting, Message: "EKS cluster to be created", Done: 1, Usually: 10 * time.Minute},
		{Kind: engine.UpdateProgress, Message: "making the changes", Done: 2},
		{Kind: engine.UpdateWaiting, Message: "EKS node group data to be deleted", Done: 2, Usually: 5 * time.Minute},
		{Kind: engine.UpdateProgress, Message: "saving the state", Done: 3},
	}
	for i := range want {
		want[i].Total, want[i].Unit = 3, "resources"
	}
	if !slices.Equal(told, want) {
		t.Errorf("got  %+v\nwant %+v", told, want)
	}
}

const lockDetail = `Error message: operation error S3: PutObject, https response error StatusCode: 412, PreconditionFailed
Lock Info:
  ID:        9ca2ab17-1a8b-56ab-0cd0-0c1f2d3e4f50
  Path:      gmctl-state-1-eu/gamemetrics/dev/terraform.tfstate
  Operation: OperationTypeApply
  Who:       mia@build-7
  Version:   1.11.4
  Created:   2026-11-24 03:39:10.512345 +0000 UTC
  Info:      
`

func TestExplain(t *testing.T) {
	for name, c := range map[string]struct {
		diagnostics []Diagnostic
		err         string
		what        string
		cause       string
		next        string
		kind        problem.Kind
	}{
		"expired credentials": {
			diagnostics: []Diagnostic{{Summary: "No valid credential sources found", Detail: "operation error STS: GetCallerIdentity, api error ExpiredToken: The security token included in the request is expired"}},
			what:        "the AWS credentials have expired", cause: "ExpiredToken", next: "aws sso login",
		},
		"a denied action": {
			diagnostics: []Diagnostic{{
				Summary: "creating EKS Cluster (gamemetrics-dev): operation error EKS: CreateCluster, api error AccessDeniedException: User: arn:aws:iam::1:user/mia is not authorized to perform: eks:CreateCluster on resource: x",
				Address: "module.eks.aws_eks_cluster.this",
			}},
			what: "the AWS credentials do not allow it, at module.eks.aws_eks_cluster.this", cause: "user/mia", next: "allow eks:CreateCluster",
		},
		"a quota": {
			diagnostics: []Diagnostic{{Summary: "creating EC2 EIP: AddressLimitExceeded: The maximum number of addresses has been reached.", Address: `module.network.aws_eip.nat["eu-central-1a"]`}},
			what:        `a quota of the AWS account is used up, at module.network.aws_eip.nat["eu-central-1a"]`, cause: "AddressLimitExceeded", next: "Service Quotas",
		},
		"a taken bucket name": {
			diagnostics: []Diagnostic{{Summary: "creating S3 Bucket (x): BucketAlreadyExists", Address: "b"}},
			what:        "the name of a bucket is taken, at b", cause: "BucketAlreadyExists", next: "unique worldwide",
		},
		"another account": {
			diagnostics: []Diagnostic{{Summary: "AWS account ID not allowed: 210987654321"}},
			what:        "the AWS credentials are for another account", cause: "210987654321", next: "get-caller-identity",
		},
		"a region that does not exist": {
			diagnostics: []Diagnostic{{Summary: "reading", Detail: "dial tcp: lookup ec2.eu-centrl-1.amazonaws.com: no such host"}},
			what:        "an AWS address is not known", cause: "eu-centrl-1", next: "region in gmctl.yaml",
		},
		"something that is there already": {
			diagnostics: []Diagnostic{{Summary: "creating IAM Role: EntityAlreadyExists: Role with name x already exists.", Address: "r"}},
			what:        "something of that name is there that Terraform does not know, at r", cause: "Role with name x", next: "delete it",
		},
		"a protected database": {
			diagnostics: []Diagnostic{{Summary: "deleting RDS DB Instance: InvalidParameterCombination: Cannot delete protected DB Instance, please disable deletion protection", Address: "d"}},
			what:        "the database is protected from deletion, at d", cause: "disable deletion protection", next: "--unprotect",
		},
		"a lock": {
			diagnostics: []Diagnostic{{Summary: "Error acquiring the state lock", Detail: lockDetail}},
			what:        "the Terraform state is locked", cause: "mia@build-7 works on it since", next: "aws s3 rm s3://gmctl-state-1-eu/gamemetrics/dev/terraform.tfstate.tflock", kind: problem.Locked,
		},
		"the one of several errors that has a remedy": {
			diagnostics: []Diagnostic{{Summary: "waiting for something"}, {Summary: "Throttling: Rate exceeded", Address: "a"}, {Summary: "x"}},
			what:        "AWS asks to go slower, at a", cause: "(and 2 more errors)", next: "wait a minute",
		},
		"a value that is not valid": {
			diagnostics: []Diagnostic{{Summary: "Invalid value for variable", Detail: "The range must be an IPv4 CIDR between /16 and /20"}},
			what:        "a value of gmctl.yaml cannot be used", cause: "between /16 and /20", next: "gmctl.yaml",
		},
		"nothing that is known": {
			diagnostics: []Diagnostic{{Summary: "Odd", Detail: "Really\n odd.", Address: "x"}},
			what:        "Terraform failed at x", cause: "Odd: Really odd.",
		},
		"no messages at all": {err: "exit status 1\nthe last line", what: "Terraform did not finish", cause: "the last line"},
	} {
		t.Run(name, func(t *testing.T) {
			err := errors.New("exit status 1")
			if c.err != "" {
				err = errors.New(c.err)
			}
			p := (&Workspace{}).explain(t.Context(), "Terraform did not finish", err, c.diagnostics)
			if p.What != c.what || !strings.Contains(p.Cause.Error(), c.cause) || !strings.Contains(p.Next, c.next) || p.Kind != c.kind {
				t.Errorf("%q, cause %q, next %q, kind %d", p.What, p.Cause, p.Next, p.Kind)
			}
		})
	}
}

func TestStaleLock(t *testing.T) {
	mine := strings.Replace(lockDetail, "mia@build-7", whoami(), 1)
	created := time.Date(2026, 11, 24, 3, 39, 10, 512345000, time.UTC)
	for name, c := range map[string]struct {
		detail string
		began  time.Time
		stale  bool
	}{
		"of an apply here that never ended":         {mine, created.Add(-3 * time.Second), true},
		"older than the apply that never ended":     {mine, created.Add(time.Minute), false},
		"of someone else":                           {lockDetail, created.Add(-3 * time.Second), false},
		"of someone who is not told":                {strings.Replace(lockDetail, "mia@build-7", "", 1), created.Add(-3 * time.Second), false},
		"of an unknown time, which is no time ago ": {strings.Replace(mine, "2026-11-24", "soon", 1), created, false},
	} {
		t.Run(name, func(t *testing.T) {
			lock, ok := lockOf([]Diagnostic{{Summary: "Error acquiring the state lock", Detail: c.detail}})
			if !ok || lock.id != "9ca2ab17-1a8b-56ab-0cd0-0c1f2d3e4f50" {
				t.Fatalf("%+v", lock)
			}
			w := &Workspace{Options: Options{Dir: t.TempDir()}}
			if stale := w.provedStale(lock, started{PID: 1, At: c.began}); stale != c.stale {
				t.Errorf("stale: %t", stale)
			}
			if w.provedStale(lock, started{PID: 1, At: c.began, Ended: lock.created.Add(-time.Millisecond)}) {
				t.Error("it was made after that apply had ended")
			}
		})
	}
}

func TestOutputsName(t *testing.T) {
	complete := `{
		"environment": {"name": "gamemetrics-dev", "id": "i", "account_id": "1", "region": "eu-central-1"},
		"network": {"vpc_id": "vpc-1", "availability_zones": ["a"], "private_subnet_ids": ["p"], "public_subnet_ids": ["q"], "nat_addresses": ["n"]},
		"cluster": {"name": "c", "arn": "a", "version": "1.33", "endpoint": "https://x", "certificate_authority": "Y2E=", "security_group_id": "sg-1",
			"oidc_provider_arn": "o", "node_role_arn": "r", "node_groups": {"data": {"instance_types": ["t3.large"], "min_size": 0, "max_size": 4}}},
		"database": {"identifier": "d", "address": "h", "port": 5432, "database": "gamemetrics", "master_secret_arn": "s", "deletion_protection": false},
		"redis": {"id": "r", "address": "h", "port": 6379, "auth_secret_arn": "s"},
		"secrets": {"database": "s", "kafka": "s"},
		"buckets": {"logs": {"name": "l", "arn": "a"}},
		"repositories": {"gmctl": "u"},
		"roles": {"velero": "v"}}`
	for _, c := range []struct{ old, changed, missing string }{
		{"", "", ""},
		{`"redis"`, `"rediss"`, "missing: redis.id, redis.address, redis.port, redis.auth_secret_arn"},
		{`"port": 5432`, `"port": 0`, "missing: database.port"},
		{`"max_size": 4`, `"max": 4`, ""},
		{`["t3.large"]`, `[]`, "missing: cluster.node_groups.data.instance_types"},
		{`{"gmctl": "u"}`, `{"gmctl": ""}`, "missing: repositories.gmctl"},
		{`"port": 5432`, `"port": "many"`, "cannot unmarshal"},
	} {
		var values map[string]json.RawMessage
		if err := json.Unmarshal([]byte(strings.Replace(complete, c.old, c.changed, 1)), &values); err != nil {
			t.Fatal(err)
		}
		outputs, err := decodeOutputs(values)
		if c.missing == "" && (err != nil || outputs.Cluster.Name != "c") {
			t.Errorf("%s: %+v, %v", c.changed, outputs, err)
		}
		if c.missing != "" && (err == nil || !strings.Contains(err.Error(), c.missing)) {
			t.Errorf("%s: %v", c.changed, err)
		}
	}
}

// The outputs of both environments are those that the stages read.
func TestEnvironmentsHaveTheSameShape(t *testing.T) {
	for _, file := range []string{"outputs.tf", "main.tf", "versions.tf"} {
		dev, prod := read(t, "environments/dev/"+file), read(t, "environments/prod/"+file)
		if dev != prod {
			t.Errorf("%s of dev and prod differ", file)
		}
	}
	variables := regexp.MustCompile(`(?m)^variable "(\w+)"`)
	dev, prod := read(t, "environments/dev/variables.tf"), read(t, "environments/prod/variables.tf")
	if got, want := variables.FindAllString(prod, -1), variables.FindAllString(dev, -1); !slices.Equal(got, want) {
		t.Errorf("variables of prod %v, of dev %v", got, want)
	}
}

// Every variable and output says what it is, of what type, and the provider is pinned.
func TestConfigurationIsDocumented(t *testing.T) {
	err := fs.WalkDir(terraform.Tree, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text := read(t, path)
		for _, block := range regexp.MustCompile(`(?ms)^(variable|output) "\w+" \{.*?^\}`).FindAllString(text, -1) {
			name, _, _ := strings.Cut(block, " {")
			if !strings.Contains(block, "  description ") {
				t.Errorf("%s: %s has no description", path, name)
			}
			if strings.HasPrefix(block, "variable") && !strings.Contains(block, "  type ") {
				t.Errorf("%s: %s has no type", path, name)
			}
		}
		if filepath.Base(path) == "versions.tf" && !strings.Contains(text, `"~> 5.100"`) {
			t.Errorf("%s does not pin the provider", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := terraform.Tree.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOpenWritesWhatIsNeeded(t *testing.T) {
	dir := t.TempDir()
	options := Options{Dir: dir, Environment: "prod", Variables: map[string]any{"region": "eu-central-1"}}
	w, err := Open(options)
	if err != nil {
		t.Fatal(err)
	}
	stranger := filepath.Join(dir, "tree", "modules", "rds", "old.tf")
	if err := os.WriteFile(stranger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := Open(options)
	if err != nil || again.Fingerprint() != w.Fingerprint() {
		t.Errorf("the same options: %v, %v", again, err)
	}
	if _, err := os.Stat(stranger); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file of an earlier version is still there")
	}
	if text, err := os.ReadFile(filepath.Join(w.root(), backendFile)); err != nil || !strings.Contains(string(text), `"local"`) {
		t.Errorf("a local state: %s, %v", text, err)
	}
	options.Backend = &S3{Bucket: "b", Key: "k", Region: "r"}
	remote, err := Open(options)
	if err != nil || remote.Fingerprint() != w.Fingerprint() {
		t.Errorf("another backend: %v, %v", remote, err)
	}
	if _, err := os.Stat(filepath.Join(w.root(), backendFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the local backend still overrides S3")
	}
	options.Variables = map[string]any{"region": "eu-west-1"}
	if changed, err := Open(options); err != nil || changed.Fingerprint() == w.Fingerprint() {
		t.Errorf("another value: %v, %v", changed, err)
	}
	options.Environment = "staging"
	if _, err := Open(options); problem.From(err) == nil || problem.From(err).Kind != problem.Usage {
		t.Errorf("an environment that is not there: %v", err)
	}
}

func TestAdoption(t *testing.T) {
	owned := func(arn, name string) awscloud.Resource {
		return awscloud.Resource{ARN: arn, Tags: map[string]string{"Name": name}}
	}
	create := func(resourceType string, after map[string]any) *tfjson.ResourceChange {
		return &tfjson.ResourceChange{Type: resourceType, Change: &tfjson.Change{After: after}}
	}
	named := func(name string) map[string]any { return map[string]any{"tags_all": map[string]any{"Name": name}} }
	for _, c := range []struct {
		change   *tfjson.ResourceChange
		resource awscloud.Resource
		id       string
	}{
		{create("aws_vpc", named("g-dev")), owned("arn:aws:ec2:eu-central-1:1:vpc/vpc-1", "g-dev"), "vpc-1"},
		{create("aws_vpc", named("g-dev")), owned("arn:aws:ec2:eu-central-1:1:vpc/vpc-1", "g-prod"), ""},
		{create("aws_subnet", named("g-dev")), owned("arn:aws:ec2:eu-central-1:1:vpc/vpc-1", "g-dev"), ""},
		{create("aws_vpc_endpoint", named("s3")), owned("arn:aws:ec2:eu-central-1:1:vpc-endpoint/vpce-1", "s3"), "vpce-1"},
		{create("aws_eks_node_group", named("data")), owned("arn:aws:eks:eu-central-1:1:nodegroup/g-dev/data/6cc1", "data"), "g-dev:data"},
		{create("aws_eks_pod_identity_association", named("velero")), owned("arn:aws:eks:eu-central-1:1:podidentityassociation/g-dev/a-1", "velero"), "g-dev,a-1"},
		{create("aws_db_instance", map[string]any{"identifier": "g-dev"}), owned("arn:aws:rds:eu-central-1:1:db:g-dev", ""), "g-dev"},
		{create("aws_db_instance", map[string]any{"identifier": "g-prod"}), owned("arn:aws:rds:eu-central-1:1:db:g-dev", ""), ""},
		{create("aws_s3_bucket", map[string]any{"bucket": "g-logs"}), owned("arn:aws:s3:::g-logs", ""), "g-logs"},
		{create("aws_secretsmanager_secret", map[string]any{"name": "g/redis-auth"}), owned("arn:aws:secretsmanager:r:1:secret:g/redis-auth-AbCdEf", ""), "arn:aws:secretsmanager:r:1:secret:g/redis-auth-AbCdEf"},
		{create("aws_iam_role", map[string]any{"name": "x"}), owned("arn:aws:iam::1:role/x", ""), "x"},
		{create("aws_iam_openid_connect_provider", map[string]any{"url": "https://oidc.eks/id/A"}), owned("arn:aws:iam::1:oidc-provider/oidc.eks/id/A", ""), "arn:aws:iam::1:oidc-provider/oidc.eks/id/A"},
		{create("aws_iam_openid_connect_provider", map[string]any{"url": "https://oidc.eks/id/A"}), owned("arn:aws:iam::1:oidc-provider/oidc.eks/id/B", ""), ""},
		{create("aws_iam_policy", map[string]any{"name": "x"}), owned("arn:aws:iam::1:policy/x", ""), ""},
	} {
		if id, _ := isThe(c.change, c.resource); id != c.id && c.id != "" {
			t.Errorf("%s of %s: %q, want %q", c.change.Type, c.resource.ARN, id, c.id)
		}
		if _, ok := isThe(c.change, c.resource); ok != (c.id != "") {
			t.Errorf("%s of %s: %t", c.change.Type, c.resource.ARN, ok)
		}
	}
	const nat = `module.x.aws_nat_gateway.this["a"]`
	a := adoption{nat: {"nat-1", "nat-2"}, "module.x.aws_vpc.this": {"vpc-1"}}
	gone := []Diagnostic{{Summary: "Cannot import non-existent remote object", Detail: "importing into " + nat + " the provider"}}
	if !a.gone(gone) || len(a) != 2 || a[nat][0] != "nat-2" {
		t.Errorf("the next of two is not tried: %v", a)
	}
	if !a.gone(gone) || len(a) != 1 {
		t.Errorf("%v", a)
	}
	if a.gone(nil) {
		t.Error("nothing was gone")
	}
}

// A program in place of terraform.
func fake(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "terraform"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func TestFind(t *testing.T) {
	t.Run("none", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		_, err := Find(t.Context())
		if p := problem.From(err); p == nil || p.Kind != problem.Missing || p.What != "terraform is not on PATH" || !strings.Contains(p.Next, "https://") {
			t.Errorf("%v", err)
		}
	})
	for _, c := range []struct{ name, script, says string }{
		{"too old", `echo '{"terraform_version":"1.9.8"}'`, "too old"},
		{"broken", `echo 'no such library' >&2; exit 127`, "cannot be used"},
		{"new enough", `echo '{"terraform_version":"1.12.0"}'`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake(t, c.script)
			binary, err := Find(t.Context())
			if c.says == "" && (err != nil || binary.Version != "1.12.0") || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("%+v, %v", binary, err)
			}
		})
	}
}

// What terraform ended with is told, whatever it was.
func TestApplyFails(t *testing.T) {
	for _, c := range []struct {
		name, script string
		stale        bool
		says         string
	}{
		{"an error", `echo '{"type":"diagnostic","diagnostic":{"severity":"error","summary":"Throttling: Rate exceeded","address":"a"}}'; exit 1`, false, "AWS asks to go slower, at a"},
		{"a stale plan", `echo '{"type":"diagnostic","diagnostic":{"severity":"error","summary":"Saved plan is stale"}}'; exit 1`, true, ""},
		{"words on stderr alone", `echo 'no space left on device' >&2; exit 3`, false, "no space left on device"},
		{"a kill", `kill -9 $$`, false, "terraform was killed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake(t, c.script)
			w := fakeWorkspace(t)
			err := w.Apply(t.Context(), &Plan{Changes: make([]Change, 1), file: "x"}, new(reports))
			if errors.Is(err, ErrStale) != c.stale || !c.stale && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("%v", err)
			}
			if !w.unfinished() {
				t.Error("it is not known that the apply did not succeed")
			}
		})
	}
}

func fakeWorkspace(t *testing.T) *Workspace {
	t.Helper()
	w, err := Open(Options{Binary: Binary{Path: "terraform"}, Dir: t.TempDir(), Environment: "dev", Grace: 300 * time.Millisecond, Poll: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.SplitList(os.Getenv("PATH"))[0]
	w.Binary.Path = filepath.Join(path, "terraform")
	return w
}

func TestInterruptedApply(t *testing.T) {
	for name, script := range map[string]string{
		"ends when it is asked to":  `trap 'exit 1' INT; echo '{"type":"x"}'; while :; do sleep 0.01; done`,
		"ends when asked twice":     `trap 'trap "exit 1" INT' INT; while :; do sleep 0.01; done`,
		"ends when it is killed":    `trap '' INT; while :; do sleep 0.01; done`,
		"ends before it was asked ": `exit 0`,
	} {
		t.Run(name, func(t *testing.T) {
			fake(t, script)
			w := fakeWorkspace(t)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			began := time.Now()
			err := w.Apply(ctx, &Plan{file: "x"}, new(reports))
			if strings.Contains(script, "exit 0") {
				if err != nil || w.unfinished() {
					t.Errorf("%v", err)
				}
				return
			}
			if p := problem.From(err); p == nil || p.Kind != problem.Cancelled {
				t.Errorf("%v", err)
			}
			if took := time.Since(began); took > 12*time.Second {
				t.Errorf("it took %s", took)
			}
			awaitIdle(t, w)
		})
	}
}

// awaitIdle waits until none of the script's children lives.
func awaitIdle(t *testing.T, w *Workspace) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		pid, err := w.AtWork()
		if err == nil && pid == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still at work: %d, %v", pid, err)
		}
	}
}

// A state that could not be saved is saved before anything else is done.
func TestStateLeftBehind(t *testing.T) {
	for _, c := range []struct{ name, script, says string }{
		{"saved", `echo "$@" >> "$0.calls"`, ""},
		{"refused", `echo 'Error: serial is lower' >&2; exit 1`, "the state that an earlier run could not save is still only in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake(t, `case "$1" in version) echo '{"terraform_version":"1.11.4"}';; state) `+c.script+`;; esac`)
			w := fakeWorkspace(t)
			left := filepath.Join(w.root(), "errored.tfstate")
			if err := os.WriteFile(left, []byte("{}"), 0o600); err != nil {
				t.Fatal(err)
			}
			err := w.recoverState(t.Context())
			_, statErr := os.Stat(left)
			if c.says == "" && (err != nil || statErr == nil) {
				t.Errorf("%v, %v", err, statErr)
			}
			if c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || problem.From(err).Next == "" || statErr != nil) {
				t.Errorf("%v, %v", err, statErr)
			}
		})
	}
}
