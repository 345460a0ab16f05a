//go:build linux

package player

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// acl is one thing that a user may do.
type acl struct {
	kind      kmsg.ACLResourceType
	name      string
	pattern   kadm.ACLPattern
	operation kadm.ACLOperation
}

// theCluster is how Kafka names the only resource of its kind.
const theCluster = "kafka-cluster"

// permit grants a user all that is wanted, and then takes away all else.
func permit(ctx context.Context, admin *kadm.Client, user string, wanted []acl) error {
	granted, err := grantedTo(ctx, admin, user)
	if err != nil {
		return err
	}
	for _, one := range wanted {
		if slices.Contains(granted, one) {
			continue
		}
		answers, err := admin.CreateACLs(ctx, one.of(user))
		for _, answer := range answers {
			err = errors.Join(err, answer.Err)
		}
		if err != nil {
			return err
		}
	}
	for _, one := range granted {
		if slices.Contains(wanted, one) {
			continue
		}
		answers, err := admin.DeleteACLs(ctx, one.of(user))
		for _, answer := range answers {
			err = errors.Join(err, answer.Err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func grantedTo(ctx context.Context, admin *kadm.Client, user string) ([]acl, error) {
	answers, err := admin.DescribeACLs(ctx, kadm.NewACLs().AnyResource().Allow(principal(user)).AllowHosts().
		Operations().ResourcePatternType(kadm.ACLPatternAny))
	if err != nil {
		return nil, err
	}
	var granted []acl
	for _, answer := range answers {
		if answer.Err != nil {
			return nil, answer.Err
		}
		for _, one := range answer.Described {
			granted = append(granted, acl{one.Type, one.Name, one.Pattern, one.Operation})
		}
	}
	return granted, nil
}

func principal(user string) string { return "User:" + user }

// of is the ACL in the words of Kafka's API, as it is made and as it is deleted.
func (a acl) of(user string) *kadm.ACLBuilder {
	builder := kadm.NewACLs().Allow(principal(user)).AllowHosts("*").ResourcePatternType(a.pattern).Operations(a.operation)
	switch a.kind {
	case kmsg.ACLResourceTypeTopic:
		builder.Topics(a.name)
	case kmsg.ACLResourceTypeGroup:
		builder.Groups(a.name)
	case kmsg.ACLResourceTypeTransactionalId:
		builder.TransactionalIDs(a.name)
	case kmsg.ACLResourceTypeCluster:
		builder.Clusters()
	}
	return builder
}

// aclsOf are those of a KafkaUser.
func aclsOf(user *unstructured.Unstructured) ([]acl, error) {
	entries, _, _ := unstructured.NestedSlice(user.Object, "spec", "authorization", "acls")
	var all []acl
	for _, entry := range entries {
		some, err := aclsIn(entry.(map[string]any))
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// aclsIn are those of one entry, one for each operation.
func aclsIn(entry map[string]any) ([]acl, error) {
	kind, _, _ := unstructured.NestedString(entry, "resource", "type")
	one := acl{pattern: kadm.ACLPatternLiteral}
	one.name, _, _ = unstructured.NestedString(entry, "resource", "name")
	if pattern, _, _ := unstructured.NestedString(entry, "resource", "patternType"); pattern == "prefix" {
		one.pattern = kadm.ACLPatternPrefixed
	}
	switch kind {
	case "topic":
		one.kind = kmsg.ACLResourceTypeTopic
	case "group":
		one.kind = kmsg.ACLResourceTypeGroup
	case "transactionalId":
		one.kind = kmsg.ACLResourceTypeTransactionalId
	case "cluster":
		one.kind, one.name = kmsg.ACLResourceTypeCluster, theCluster
	default:
		return nil, fmt.Errorf("no ACL is known for a %s", kind)
	}
	names, _, _ := unstructured.NestedStringSlice(entry, "operations")
	var all []acl
	for _, name := range names {
		operation, ok := map[string]kadm.ACLOperation{
			"All": kadm.OpAll, "Read": kadm.OpRead, "Write": kadm.OpWrite, "Create": kadm.OpCreate, "Delete": kadm.OpDelete,
			"Alter": kadm.OpAlter, "Describe": kadm.OpDescribe, "ClusterAction": kadm.OpClusterAction,
			"DescribeConfigs": kadm.OpDescribeConfigs, "AlterConfigs": kadm.OpAlterConfigs, "IdempotentWrite": kadm.OpIdempotentWrite,
		}[name]
		if !ok {
			return nil, fmt.Errorf("Kafka has no operation %s", name)
		}
		one.operation = operation
		all = append(all, one)
	}
	return all, nil
}
