package awscloud

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"
)

// deletion removes one resource. The error is AWS's own.
type deletion func(ctx context.Context, s *Session, arn, name string) error

// CanDelete reports whether Delete knows how to delete what the ARN names:
// things that Kubernetes makes beside Terraform, and those of which a request
// that was sent twice makes two.
func CanDelete(arn string) bool {
	service, kind, _ := ARNParts(arn)
	return deletionOf(service, kind) != nil
}

// Delete asks AWS to delete a resource, and waits for nothing. What is not there
// is deleted.
func (s *Session) Delete(ctx context.Context, arn string) error {
	service, kind, name := ARNParts(arn)
	remove := deletionOf(service, kind)
	if remove == nil {
		return Explain(errors.ErrUnsupported, arn+" cannot be deleted")
	}
	if err := remove(ctx, s, arn, name); err != nil && !isNotFound(err) {
		return Explain(err, arn+" could not be deleted")
	}
	return nil
}

// deletePoll is between two attempts to delete what something else still uses.
const deletePoll = 2 * time.Second

// patience is how long DeleteAll waits for what is on its way out: a NAT
// gateway holds its address for minutes.
const patience = 15 * time.Minute

// DeleteAll deletes the resources, whichever needs which: it goes over them
// until all are gone, and gives up when there is no progress. told hears of each
// that is deleted. It returns those that are left, with the error of the last.
func (s *Session) DeleteAll(ctx context.Context, resources []Resource, told func(Resource)) (left []Resource, err error) {
	left = resources
	for deadline, idle := time.Now().Add(patience), 0; len(left) > 0 && idle < 5 && time.Now().Before(deadline); {
		var still []Resource
		err = nil
		for _, resource := range left {
			if failed := s.Delete(ctx, resource.ARN); failed != nil {
				still, err = append(still, resource), failed
				continue
			}
			told(resource)
		}
		if len(still) == 0 || ctx.Err() != nil {
			return still, err
		}
		switch going, lookErr := s.anyGoing(ctx, resources); {
		case lookErr != nil:
			return still, lookErr
		case len(still) < len(left) || going:
			idle = 0
		default:
			idle++
		}
		left = still
		select {
		case <-ctx.Done():
			return left, Explain(ctx.Err(), "interrupted")
		case <-time.After(deletePoll):
		}
	}
	return left, err
}

func (s *Session) anyGoing(ctx context.Context, resources []Resource) (bool, error) {
	for _, resource := range resources {
		state, err := s.State(ctx, resource.ARN)
		if err != nil || strings.EqualFold(string(state), "deleting") {
			return err == nil, err
		}
	}
	return false, nil
}

func deletionOf(service, kind string) deletion {
	if service == "ec2" {
		return deletionEC2(kind)
	}
	return map[string]deletion{
		"elasticloadbalancing/loadbalancer": func(ctx context.Context, s *Session, arn, name string) error {
			if !strings.Contains(name, "/") { // of the first generation
				_, err := elasticloadbalancing.NewFromConfig(s.config).DeleteLoadBalancer(ctx, &elasticloadbalancing.DeleteLoadBalancerInput{LoadBalancerName: aws.String(name)})
				return err
			}
			_, err := elasticloadbalancingv2.NewFromConfig(s.config).DeleteLoadBalancer(ctx, &elasticloadbalancingv2.DeleteLoadBalancerInput{LoadBalancerArn: aws.String(arn)})
			return err
		},
		"elasticloadbalancing/targetgroup": func(ctx context.Context, s *Session, arn, _ string) error {
			_, err := elasticloadbalancingv2.NewFromConfig(s.config).DeleteTargetGroup(ctx, &elasticloadbalancingv2.DeleteTargetGroupInput{TargetGroupArn: aws.String(arn)})
			return err
		},
		"kms/key": func(ctx context.Context, s *Session, arn, _ string) error {
			_, err := kms.NewFromConfig(s.config).ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: aws.String(arn), PendingWindowInDays: aws.Int32(7)})
			return err
		},
		"logs/log-group": func(ctx context.Context, s *Session, _, name string) error {
			_, err := cloudwatchlogs.NewFromConfig(s.config).DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String(strings.TrimSuffix(name, ":*"))})
			return err
		},
	}[service+"/"+kind]
}

func deletionEC2(kind string) deletion {
	remove, known := map[string]func(context.Context, *ec2.Client, *string) error{
		"elastic-ip": func(ctx context.Context, c *ec2.Client, id *string) error {
			_, err := c.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: id})
			return err
		},
		"internet-gateway": func(ctx context.Context, c *ec2.Client, id *string) error {
			found, err := c.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{InternetGatewayIds: []string{*id}})
			if err != nil {
				return err
			}
			for _, gateway := range found.InternetGateways {
				for _, attached := range gateway.Attachments {
					if _, err := c.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: id, VpcId: attached.VpcId}); err != nil {
						return err
					}
				}
			}
			_, err = c.DeleteInternetGateway(ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: id})
			return err
		},
		"natgateway": func(ctx context.Context, c *ec2.Client, id *string) error {
			_, err := c.DeleteNatGateway(ctx, &ec2.DeleteNatGatewayInput{NatGatewayId: id})
			return err
		},
		"network-interface": func(ctx context.Context, c *ec2.Client, id *string) error {
			_, err := c.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: id})
			return err
		},
		"route-table": func(ctx context.Context, c *ec2.Client, id *string) error {
			_, err := c.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: id})
			return err
		},
		"security-group": deleteSecurityGroup,
		"subnet": func(ctx context.Context, c *ec2.Client, id *string) error {
			_, err := c.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: id})
			return err
		},
		"volume": func(ctx context.Context, c *ec2.Client, id *string) error {
			_, err := c.DeleteVolume(ctx, &ec2.DeleteVolumeInput{VolumeId: id})
			return err
		},
		"vpc": func(ctx context.Context, c *ec2.Client, id *string) error {
			_, err := c.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: id})
			return err
		},
		"vpc-endpoint": func(ctx context.Context, c *ec2.Client, id *string) error {
			answer, err := c.DeleteVpcEndpoints(ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{*id}})
			if err == nil && len(answer.Unsuccessful) > 0 && answer.Unsuccessful[0].Error != nil {
				failed := answer.Unsuccessful[0].Error
				err = &smithy.GenericAPIError{Code: aws.ToString(failed.Code), Message: aws.ToString(failed.Message)}
			}
			return err
		},
	}[kind]
	if !known {
		return nil
	}
	return func(ctx context.Context, s *Session, _, id string) error {
		return remove(ctx, ec2.NewFromConfig(s.config), aws.String(id))
	}
}

// deleteSecurityGroup takes the group out of the rules of others first: EC2
// deletes none that another names.
func deleteSecurityGroup(ctx context.Context, c *ec2.Client, id *string) error {
	_, err := c.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: id})
	if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "DependencyViolation" {
		return err
	}
	return errors.Join(revokeReferences(ctx, c, *id), err)
}
