package awscloud

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
)

// Resource is something in the account that carries tags.
type Resource struct {
	ARN  string
	Tags map[string]string
}

// Carries reports whether the resource has all these tags.
func (r Resource) Carries(tags map[string]string) bool {
	for key, value := range tags {
		if has, ok := r.Tags[key]; !ok || has != value {
			return false
		}
	}
	return true
}

// Owned lists the resources of the region that carry all these tags; an empty
// value stands for any. AWS goes on listing some kinds for a while after they
// are deleted (see Present), and does not list what IAM has (see OwnedIAM).
func (s *Session) Owned(ctx context.Context, tags map[string]string) ([]Resource, error) {
	input := &tagging.GetResourcesInput{}
	for key, value := range tags {
		filter := types.TagFilter{Key: aws.String(key)}
		if value != "" {
			filter.Values = []string{value}
		}
		input.TagFilters = append(input.TagFilters, filter)
	}
	var owned []Resource
	pages := tagging.NewGetResourcesPaginator(tagging.NewFromConfig(s.config), input)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, Explain(err, "the resources of the environment cannot be listed")
		}
		for _, found := range page.ResourceTagMappingList {
			resource := Resource{ARN: aws.ToString(found.ResourceARN), Tags: map[string]string{}}
			for _, tag := range found.Tags {
				resource.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
			}
			owned = append(owned, resource)
		}
	}
	return owned, nil
}

// OwnedIAM lists the IAM roles whose names begin with prefix, and the identity
// providers, that carry all these tags.
func (s *Session) OwnedIAM(ctx context.Context, prefix string, tags map[string]string) ([]Resource, error) {
	const what = "the IAM roles of the environment cannot be listed"
	client := iam.NewFromConfig(s.config)
	var owned []Resource
	take := func(arn string, found []iamtypes.Tag) {
		resource := Resource{ARN: arn, Tags: map[string]string{}}
		for _, tag := range found {
			resource.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
		}
		if resource.Carries(tags) {
			owned = append(owned, resource)
		}
	}
	pages := iam.NewListRolesPaginator(client, &iam.ListRolesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, Explain(err, what)
		}
		for _, role := range page.Roles {
			if !strings.HasPrefix(aws.ToString(role.RoleName), prefix) {
				continue
			}
			found, err := client.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: role.RoleName})
			if isNotFound(err) {
				continue
			}
			if err != nil {
				return nil, Explain(err, what)
			}
			take(aws.ToString(role.Arn), found.Tags)
		}
	}
	providers, err := client.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{})
	if err != nil {
		return nil, Explain(err, what)
	}
	for _, provider := range providers.OpenIDConnectProviderList {
		found, err := client.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: provider.Arn})
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return nil, Explain(err, what)
		}
		take(aws.ToString(provider.Arn), found.Tags)
	}
	return owned, nil
}
