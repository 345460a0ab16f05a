package awscloud

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// revokeReferences removes the rules by which other groups let the group in.
func revokeReferences(ctx context.Context, c *ec2.Client, id string) error {
	groups, err := c.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{
		Filters: []types.Filter{{Name: aws.String("ip-permission.group-id"), Values: []string{id}}},
	})
	if err != nil {
		return err
	}
	for _, group := range groups.SecurityGroups {
		var named []types.IpPermission
		for _, permission := range group.IpPermissions {
			for _, pair := range permission.UserIdGroupPairs {
				if aws.ToString(pair.GroupId) == id {
					permission.UserIdGroupPairs = []types.UserIdGroupPair{pair}
					permission.IpRanges, permission.Ipv6Ranges, permission.PrefixListIds = nil, nil, nil
					named = append(named, permission)
				}
			}
		}
		if len(named) == 0 {
			continue
		}
		if _, err := c.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: named}); err != nil {
			return err
		}
	}
	return nil
}
