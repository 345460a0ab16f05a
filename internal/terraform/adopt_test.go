//go:build unix

package terraform_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/terraform"
	"github.com/gamemetrics/gmctl/internal/testenv"
	testaws "github.com/gamemetrics/gmctl/internal/testenv/aws"
)

// partOfDev opens those resources of the environment dev, in a new account and
// with the state in a file of dir.
func partOfDev(t *testing.T, dir string, targets ...string) (*terraform.Workspace, *awscloud.Session) {
	t.Helper()
	testaws.Terraform(t)
	testaws.Run(t).Setenv(t)
	session, err := awscloud.Open(t.Context(), awscloud.Options{Region: testaws.Region})
	if err != nil {
		t.Fatal(err)
	}
	binary, err := terraform.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w, err := terraform.Open(terraform.Options{
		Binary: binary, Dir: dir, Environment: "dev", Targets: targets, Account: account{session},
		Variables: map[string]any{"account_id": testaws.AccountID, "region": testaws.Region, "environment_id": environmentID},
	})
	if err != nil {
		t.Fatal(err)
	}
	return w, session
}

// What an apply has made and not written down is found by its tags and taken
// over, not made a second time.
func TestLostStateIsFoundAgain(t *testing.T) {
	testenv.Long(t, testenv.AWS, "30 seconds")
	dir := t.TempDir()
	w, session := partOfDev(t, dir,
		"module.network.aws_subnet.private", "module.network.aws_eip.nat", "module.network.aws_route.internet",
		"module.network.aws_route_table_association.private", "module.network.aws_vpc_endpoint.s3",
		"module.eks.aws_launch_template.node", "module.eks.aws_cloudwatch_log_group.cluster", "module.eks.aws_iam_role.cluster", "module.eks.aws_kms_alias.secrets",
		"module.eks.aws_iam_openid_connect_provider.this",
		"module.rds.aws_cloudwatch_log_group.postgres", "module.rds.aws_db_subnet_group.this", "module.rds.aws_db_parameter_group.this",
		"module.rds.aws_vpc_security_group_ingress_rule.clients", "module.redis.aws_elasticache_subnet_group.this",
		"module.redis.aws_secretsmanager_secret.auth", "module.credentials.aws_secretsmanager_secret.this",
		"module.registry.aws_ecr_repository.this", "module.storage.aws_s3_bucket.this")
	first := plan(t, w, engine.GoalPresent)
	if err := w.Apply(t.Context(), first, &updates{}); err != nil {
		t.Fatal(explained(err))
	}
	before := ownedBy(t, session)
	if tagged := withTags(first.Changes); len(before) < tagged {
		t.Fatalf("%d resources with tags were made, %d carry them", tagged, len(before))
	}

	for _, lost := range []string{"terraform.tfstate", "terraform.tfstate.backup"} {
		if err := os.Remove(filepath.Join(dir, lost)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	// What a gmctl was at that was killed while it planned to take some of it over.
	half := `{"import": [{"to": "module.registry.aws_ecr_repository.this[\"gmctl\"]", "id": "gamemetrics-dev/gmctl"}]}`
	for path, content := range map[string]string{"apply.half": "", "tree/environments/dev/gmctl_adopt.tf.json": half} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dissociate(t)
	found := plan(t, w, engine.GoalPresent)
	if len(found.Changes) != len(first.Changes) {
		t.Errorf("%d of %d were found", len(found.Changes), len(first.Changes))
	}
	associations := 0
	for _, change := range found.Changes {
		if change.Type == "aws_iam_role_policy_attachment" {
			continue // made again, it is as it was
		}
		if change.Type == "aws_route_table_association" && change.Action == engine.ActionCreate && associations == 0 {
			associations++ // it is gone indeed
			continue
		}
		if change.Action == engine.ActionCreate || change.Action == engine.ActionReplace {
			t.Errorf("it would be made a second time: %+v", change)
		}
	}
	if err := w.Apply(t.Context(), found, &updates{}); err != nil {
		t.Fatal(explained(err))
	}
	if again := plan(t, w, engine.GoalPresent); len(again.Changes) > 0 {
		t.Errorf("there is still something to do: %+v", again.Changes)
	}
	slices.Sort(before)
	after := ownedBy(t, session)
	slices.Sort(after)
	if !slices.Equal(after, before) {
		t.Errorf("before %v\nafter %v", before, after)
	}
}

// dissociate undoes one association of a private subnet with its route table.
func dissociate(t *testing.T) {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := ec2.NewFromConfig(cfg)
	private := &ec2.DescribeRouteTablesInput{Filters: []types.Filter{{Name: aws.String("tag:EnvironmentId"), Values: []string{environmentID}}}}
	found, err := client.DescribeRouteTables(t.Context(), private)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range found.RouteTables {
		for _, association := range table.Associations {
			if association.SubnetId != nil {
				_, err := client.DisassociateRouteTable(t.Context(), &ec2.DisassociateRouteTableInput{AssociationId: association.RouteTableAssociationId})
				if err != nil {
					t.Fatal(err)
				}
				return
			}
		}
	}
	t.Fatal("no subnet is associated with a route table")
}

// withTags counts the resources that are listed by their tags.
func withTags(changes []terraform.Change) int {
	without := []string{ // the roles are listed apart
		"aws_route", "aws_route_table_association", "aws_kms_alias", "aws_iam_role", "aws_iam_role_policy", "aws_iam_role_policy_attachment",
		"aws_iam_openid_connect_provider",
	}
	n := 0
	for _, change := range changes {
		if !slices.Contains(without, change.Type) {
			n++
		}
	}
	return n
}

// What an apply has replaced and not written down is taken over too, although the
// state still has what was there before it.
func TestSuccessorIsFound(t *testing.T) {
	w, session := partOfDev(t, t.TempDir(), "module.network.aws_eip.nat")
	if err := w.Apply(t.Context(), plan(t, w, engine.GoalPresent), &updates{}); err != nil {
		t.Fatal(explained(err))
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := ec2.NewFromConfig(cfg)
	ours := &ec2.DescribeAddressesInput{Filters: []types.Filter{{Name: aws.String("tag:EnvironmentId"), Values: []string{environmentID}}}}
	found, err := client.DescribeAddresses(t.Context(), ours)
	if err != nil || len(found.Addresses) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	before := found.Addresses[0]
	if _, err := client.ReleaseAddress(t.Context(), &ec2.ReleaseAddressInput{AllocationId: before.AllocationId}); err != nil {
		t.Fatal(err)
	}
	successor, err := client.AllocateAddress(t.Context(), &ec2.AllocateAddressInput{
		Domain: types.DomainTypeVpc, TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeElasticIp, Tags: before.Tags}},
	})
	if err != nil {
		t.Fatal(err)
	}

	next := plan(t, w, engine.GoalPresent)
	for _, change := range next.Changes {
		if change.Action != engine.ActionUpdate {
			t.Errorf("%+v", change)
		}
	}
	if err := w.Apply(t.Context(), next, &updates{}); err != nil {
		t.Fatal(explained(err))
	}
	if again := plan(t, w, engine.GoalPresent); len(again.Changes) > 0 {
		t.Errorf("there is still something to do: %+v", again.Changes)
	}
	if found, err = client.DescribeAddresses(t.Context(), ours); err != nil || len(found.Addresses) != 1 || *found.Addresses[0].AllocationId != *successor.AllocationId {
		t.Errorf("%+v, %v; want %s alone", found, err, *successor.AllocationId)
	}
	if owned := ownedBy(t, session); len(owned) == 0 {
		t.Error("nothing is the environment's")
	}
}
