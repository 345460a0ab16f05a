package awscloud

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// lookEC2 describes what EC2 calls kind in its ARNs.
func lookEC2(kind string) look {
	describe, known := map[string]func(context.Context, *ec2.Client, []string) (State, error){
		"elastic-ip": func(ctx context.Context, c *ec2.Client, ids []string) (State, error) {
			found, err := c.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{AllocationIds: ids})
			if err != nil {
				return "", err
			}
			return stateOf(found.Addresses, stateless[types.Address]), nil
		},
		"instance": func(ctx context.Context, c *ec2.Client, ids []string) (State, error) {
			found, err := c.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: ids})
			if err != nil {
				return "", err
			}
			return stateOf(found.Reservations, func(r types.Reservation) State {
				return stateOf(r.Instances, func(instance types.Instance) types.InstanceStateName { return instance.State.Name })
			}), nil
		},
		"internet-gateway": func(ctx context.Context, c *ec2.Client, ids []string) (State, error) {
			found, err := c.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{InternetGatewayIds: ids})
			if err != nil {
				return "", err
			}
			return stateOf(found.InternetGateways, stateless[types.InternetGateway]), nil
		},
		"launch-template": func(ctx context.Context, c *ec2.Client, ids []string) (State, error) {
			found, err := c.DescribeLaunchTemplates(ctx, &ec2.DescribeLaunchTemplatesInput{LaunchTemplateIds: ids})
			if err != nil {
				return "", err
			}
			return stateOf(found.LaunchTemplates, stateless[types.LaunchTemplate]), nil
		},
		"natgateway": func(ctx context.Context, c *ec2.Client, ids []string) (State, error) {
			found, err := c.DescribeNatGateways(ctx, &ec2.DescribeNatGatewaysInput{NatGatewayIds: ids})
			if err != nil {
				return "", err
			}
			return stateOf(found.NatGateways, func(nat types.NatGateway) types.NatGatewayState { return nat.State }), nil
		},
		"network-interface": func(ctx context.Context, c *ec2.Client, ids []string) (State, error) {
			found, err := c.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: ids})
			if err != nil {
				return "", err
			}
			return stateOf(found.NetworkInterfaces, func(n types.NetworkInterface) types.NetworkInterfaceStatus { return n.Status }), nil
		},
		"route-table": func(ctx context.Context, c *ec2.Client, ids []string) (State, error) {
			found, err := c.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{RouteTableIds: ids})
			if err != nil {
				return "", err
			}
			return stateOf(found.RouteTables, stateless[types.RouteTable]), nil
		},
		"security-group": func(ctx context.Context, c *ec2.Client, ids []string) (State, error) {
			found, err := c.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: ids})
			if err != nil {
				return "", err
			}
			return stateOf(found.SecurityGroups, stateless[types.SecurityGroup]), nil
		},
		"security-group-rule": func(ctx context.Context, c *ec2.Client, ids []string) (State, error) {
			found, err := c.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: ids})
			if err != nil {
				return "", err
			}
			return stateOf(found.SecurityGroupRules, stateless[types.SecurityGroupRule]), nil
		},
		"snapshot": func(ctx context.Context, c *ec2.Client, ids []string) (State, error) {
			found, err := c.DescribeSnapshots(ctx, &ec2.DescribeSnapshotsInput{SnapshotIds: ids})
			if err != nil {
				return "", err
			}
			return stateOf(found.Snapshots, stateless[types.Snapshot]), nil
		},
		"subnet": func(ctx context.Context, c *ec2.Client, ids []string) (State, error) {
			found, err := c.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: ids})
			if err != nil {
				return "", err
			}
			return stateOf(found.Subnets, stateless[types.Subnet]), nil
		},
		"volume": func(ctx context.Context, c *ec2.Client, ids []string) (State, error) {
			found, err := c.DescribeVolumes(ctx, &ec2.DescribeVolumesInput{VolumeIds: ids})
			if err != nil {
				return "", err
			}
			return stateOf(found.Volumes, func(volume types.Volume) types.VolumeState { return volume.State }), nil
		},
		"vpc": func(ctx context.Context, c *ec2.Client, ids []string) (State, error) {
			found, err := c.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: ids})
			if err != nil {
				return "", err
			}
			return stateOf(found.Vpcs, stateless[types.Vpc]), nil
		},
		"vpc-endpoint": func(ctx context.Context, c *ec2.Client, ids []string) (State, error) {
			found, err := c.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: ids})
			if err != nil {
				return "", err
			}
			return stateOf(found.VpcEndpoints, func(endpoint types.VpcEndpoint) types.State { return endpoint.State }), nil
		},
	}[kind]
	if !known {
		return nil
	}
	return func(ctx context.Context, s *Session, _, id string) (State, error) {
		return describe(ctx, ec2.NewFromConfig(s.config), []string{id})
	}
}
