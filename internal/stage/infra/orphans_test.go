//go:build unix

package infra_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	lbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/gamemetrics/gmctl/internal/terraform"
)

// strange is what an account holds of an environment, and beside it, that
// Terraform does not know.
type strange struct {
	nat, volume, group, balancer string // of the environment
	foreign                      string // a volume of another cluster
}

func client(t *testing.T) (*ec2.Client, aws.Config) {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ec2.NewFromConfig(cfg), cfg
}

// makeStrange makes what Kubernetes leaves behind when its cluster is gone
// before it could clean up, and a NAT gateway that was made twice.
func makeStrange(t *testing.T, outputs *terraform.Outputs) strange {
	t.Helper()
	ctx := t.Context()
	c, cfg := client(t)
	tagged := func(kind types.ResourceType, tags map[string]string) []types.TagSpecification {
		specification := types.TagSpecification{ResourceType: kind}
		for key, value := range tags {
			specification.Tags = append(specification.Tags, types.Tag{Key: aws.String(key), Value: aws.String(value)})
		}
		return []types.TagSpecification{specification}
	}
	nat, err := c.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{
		SubnetId: aws.String(outputs.Network.PublicSubnets[0]), ConnectivityType: types.ConnectivityTypePrivate,
		TagSpecifications: tagged(types.ResourceTypeNatgateway, map[string]string{
			"ManagedBy": "gmctl", "EnvironmentId": outputs.Environment.ID, "Name": "gamemetrics-dev-" + outputs.Network.AvailabilityZones[0],
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	volume := func(cluster string) string {
		made, err := c.CreateVolume(ctx, &ec2.CreateVolumeInput{
			AvailabilityZone: aws.String(outputs.Network.AvailabilityZones[0]), Size: aws.Int32(10),
			TagSpecifications: tagged(types.ResourceTypeVolume, map[string]string{
				"kubernetes.io/cluster/" + cluster: "owned", "ebs.csi.aws.com/cluster": "true",
				"kubernetes.io/created-for/pvc/namespace": "kafka", "kubernetes.io/created-for/pvc/name": "data-0-gamemetrics-kafka-0",
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		return aws.ToString(made.VolumeId)
	}
	group, err := c.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("k8s-ingestion"), Description: aws.String("of a load balancer"), VpcId: aws.String(outputs.Network.VPC),
		TagSpecifications: tagged(types.ResourceTypeSecurityGroup, map[string]string{"elbv2.k8s.aws/cluster": "gamemetrics-dev"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	balancer, err := elasticloadbalancingv2.NewFromConfig(cfg).CreateLoadBalancer(ctx, &elasticloadbalancingv2.CreateLoadBalancerInput{
		Name: aws.String("k8s-ingestion"), Subnets: outputs.Network.PublicSubnets, SecurityGroups: []string{*group.GroupId},
		Tags: []lbtypes.Tag{{Key: aws.String("elbv2.k8s.aws/cluster"), Value: aws.String("gamemetrics-dev")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return strange{
		nat: aws.ToString(nat.NatGateway.NatGatewayId), volume: volume("gamemetrics-dev"), group: aws.ToString(group.GroupId),
		balancer: aws.ToString(balancer.LoadBalancers[0].LoadBalancerArn), foreign: volume("another"),
	}
}

// gone checks that all of the environment's is gone, and the other one's is not.
func (s strange) gone(t *testing.T, told *updates) {
	t.Helper()
	session, err := openSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	prefix := "arn:aws:ec2:eu-central-1:123456789012:"
	for _, arn := range []string{prefix + "natgateway/" + s.nat, prefix + "volume/" + s.volume, prefix + "security-group/" + s.group, s.balancer} {
		if state, err := session.State(t.Context(), arn); err != nil || state != "" && state != "deleted" {
			t.Errorf("%s is %s, %v", arn, state, err)
		}
	}
	if state, err := session.State(t.Context(), prefix+"volume/"+s.foreign); err != nil || !state.Ready() {
		t.Errorf("the volume of another cluster: %s, %v", state, err)
	}
	for _, text := range []string{"had left: volume " + s.volume + " of kafka/data-0-gamemetrics-kafka-0", "had left: security group " + s.group, "did not know: natgateway " + s.nat} {
		if !told.said(text) {
			t.Errorf("%q was not told: %s", text, strings.Join(told.all, "\n"))
		}
	}
}
