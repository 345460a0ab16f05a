package awscloud

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	cachetypes "github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	classictypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	lbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// lookEKS describes a cluster, or a part of one: "CLUSTER/PART/ID".
func lookEKS(kind string) look {
	return map[string]look{
		"cluster": func(ctx context.Context, s *Session, _, name string) (State, error) {
			found, err := eks.NewFromConfig(s.config).DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String(name)})
			if err != nil {
				return "", err
			}
			return State(found.Cluster.Status), nil
		},
		"nodegroup": func(ctx context.Context, s *Session, _, name string) (State, error) {
			cluster, group := partOfCluster(name)
			found, err := eks.NewFromConfig(s.config).DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: cluster, NodegroupName: group})
			if err != nil {
				return "", err
			}
			return State(found.Nodegroup.Status), nil
		},
		"addon": func(ctx context.Context, s *Session, _, name string) (State, error) {
			cluster, addon := partOfCluster(name)
			found, err := eks.NewFromConfig(s.config).DescribeAddon(ctx, &eks.DescribeAddonInput{ClusterName: cluster, AddonName: addon})
			if err != nil {
				return "", err
			}
			return State(found.Addon.Status), nil
		},
		"podidentityassociation": func(ctx context.Context, s *Session, _, name string) (State, error) {
			cluster, association := partOfCluster(name)
			_, err := eks.NewFromConfig(s.config).DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: cluster, AssociationId: association})
			return there, err
		},
		// Its name is not all in its ARN; it is gone with its cluster at the latest.
		"access-entry": func(ctx context.Context, s *Session, _, name string) (State, error) {
			cluster, _ := partOfCluster(name)
			_, err := eks.NewFromConfig(s.config).DescribeCluster(ctx, &eks.DescribeClusterInput{Name: cluster})
			return there, err
		},
	}[kind]
}

func partOfCluster(name string) (cluster, part *string) {
	parts := strings.SplitN(name, "/", 3)
	if len(parts) < 2 {
		return aws.String(name), aws.String("")
	}
	return aws.String(parts[0]), aws.String(parts[1])
}

func lookRDS(kind string) look {
	return map[string]look{
		"db": func(ctx context.Context, s *Session, _, name string) (State, error) {
			found, err := rds.NewFromConfig(s.config).DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String(name)})
			if err != nil {
				return "", err
			}
			return stateOf(found.DBInstances, func(db rdstypes.DBInstance) string { return aws.ToString(db.DBInstanceStatus) }), nil
		},
		"snapshot": func(ctx context.Context, s *Session, _, name string) (State, error) {
			found, err := rds.NewFromConfig(s.config).DescribeDBSnapshots(ctx, &rds.DescribeDBSnapshotsInput{DBSnapshotIdentifier: aws.String(name)})
			if err != nil {
				return "", err
			}
			return stateOf(found.DBSnapshots, stateless[rdstypes.DBSnapshot]), nil
		},
		"subgrp": func(ctx context.Context, s *Session, _, name string) (State, error) {
			found, err := rds.NewFromConfig(s.config).DescribeDBSubnetGroups(ctx, &rds.DescribeDBSubnetGroupsInput{DBSubnetGroupName: aws.String(name)})
			if err != nil {
				return "", err
			}
			return stateOf(found.DBSubnetGroups, stateless[rdstypes.DBSubnetGroup]), nil
		},
		"pg": func(ctx context.Context, s *Session, _, name string) (State, error) {
			found, err := rds.NewFromConfig(s.config).DescribeDBParameterGroups(ctx, &rds.DescribeDBParameterGroupsInput{DBParameterGroupName: aws.String(name)})
			if err != nil {
				return "", err
			}
			return stateOf(found.DBParameterGroups, stateless[rdstypes.DBParameterGroup]), nil
		},
	}[kind]
}

func lookElastiCache(kind string) look {
	return map[string]look{
		"replicationgroup": func(ctx context.Context, s *Session, _, name string) (State, error) {
			found, err := elasticache.NewFromConfig(s.config).DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: aws.String(name)})
			if err != nil {
				return "", err
			}
			return stateOf(found.ReplicationGroups, func(group cachetypes.ReplicationGroup) string { return aws.ToString(group.Status) }), nil
		},
		"cluster": func(ctx context.Context, s *Session, _, name string) (State, error) { // a member of a replication group
			found, err := elasticache.NewFromConfig(s.config).DescribeCacheClusters(ctx, &elasticache.DescribeCacheClustersInput{CacheClusterId: aws.String(name)})
			if err != nil {
				return "", err
			}
			return stateOf(found.CacheClusters, func(cluster cachetypes.CacheCluster) string { return aws.ToString(cluster.CacheClusterStatus) }), nil
		},
		"subnetgroup": func(ctx context.Context, s *Session, _, name string) (State, error) {
			found, err := elasticache.NewFromConfig(s.config).DescribeCacheSubnetGroups(ctx, &elasticache.DescribeCacheSubnetGroupsInput{CacheSubnetGroupName: aws.String(name)})
			if err != nil {
				return "", err
			}
			return stateOf(found.CacheSubnetGroups, stateless[cachetypes.CacheSubnetGroup]), nil
		},
	}[kind]
}

func lookOther(service, kind string) look {
	return map[string]look{
		"iam/role": func(ctx context.Context, s *Session, _, name string) (State, error) {
			_, err := iam.NewFromConfig(s.config).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(name)})
			return there, err
		},
		"iam/oidc-provider": func(ctx context.Context, s *Session, arn, _ string) (State, error) {
			_, err := iam.NewFromConfig(s.config).GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(arn)})
			return there, err
		},
		"ecr/repository": func(ctx context.Context, s *Session, _, name string) (State, error) {
			found, err := ecr.NewFromConfig(s.config).DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RepositoryNames: []string{name}})
			if err != nil {
				return "", err
			}
			return stateOf(found.Repositories, stateless[ecrtypes.Repository]), nil
		},
		"elasticloadbalancing/loadbalancer": func(ctx context.Context, s *Session, arn, name string) (State, error) {
			if !strings.Contains(name, "/") { // of the first generation
				found, err := elasticloadbalancing.NewFromConfig(s.config).DescribeLoadBalancers(ctx, &elasticloadbalancing.DescribeLoadBalancersInput{LoadBalancerNames: []string{name}})
				if err != nil {
					return "", err
				}
				return stateOf(found.LoadBalancerDescriptions, stateless[classictypes.LoadBalancerDescription]), nil
			}
			found, err := elasticloadbalancingv2.NewFromConfig(s.config).DescribeLoadBalancers(ctx, &elasticloadbalancingv2.DescribeLoadBalancersInput{LoadBalancerArns: []string{arn}})
			if err != nil {
				return "", err
			}
			return stateOf(found.LoadBalancers, stateless[lbtypes.LoadBalancer]), nil
		},
		"elasticloadbalancing/targetgroup": func(ctx context.Context, s *Session, arn, _ string) (State, error) {
			found, err := elasticloadbalancingv2.NewFromConfig(s.config).DescribeTargetGroups(ctx, &elasticloadbalancingv2.DescribeTargetGroupsInput{TargetGroupArns: []string{arn}})
			if err != nil {
				return "", err
			}
			return stateOf(found.TargetGroups, stateless[lbtypes.TargetGroup]), nil
		},
		"kms/key": func(ctx context.Context, s *Session, arn, _ string) (State, error) {
			found, err := kms.NewFromConfig(s.config).DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(arn)})
			if err != nil {
				return "", err
			}
			return State(found.KeyMetadata.KeyState), nil
		},
		"logs/log-group": func(ctx context.Context, s *Session, _, name string) (State, error) {
			name = strings.TrimSuffix(name, ":*")
			found, err := cloudwatchlogs.NewFromConfig(s.config).DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String(name)})
			if err != nil {
				return "", err
			}
			return stateOf(found.LogGroups, func(group logstypes.LogGroup) State {
				if aws.ToString(group.LogGroupName) != name {
					return "deleted"
				}
				return there
			}), nil
		},
		"s3/": func(ctx context.Context, s *Session, _, name string) (State, error) {
			_, err := s3.NewFromConfig(s.config).HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(name), ExpectedBucketOwner: aws.String(s.Account)})
			return there, err
		},
		"secretsmanager/secret": func(ctx context.Context, s *Session, arn, _ string) (State, error) {
			found, err := secretsmanager.NewFromConfig(s.config).DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(arn)})
			if err != nil {
				return "", err
			}
			if found.DeletedDate != nil {
				return "deleted", nil
			}
			return there, nil
		},
	}[service+"/"+kind]
}
