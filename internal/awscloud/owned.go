package awscloud

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
)

// Resource is something in the account that carries tags.
type Resource struct {
	ARN  string
	Tags map[string]string
}

// Owned lists the resources of the region that carry all these tags. AWS goes
// on listing some kinds for a while after they are deleted, and does not list
// IAM roles.
func (s *Session) Owned(ctx context.Context, tags map[string]string) ([]Resource, error) {
	input := &tagging.GetResourcesInput{}
	for key, value := range tags {
		input.TagFilters = append(input.TagFilters, types.TagFilter{Key: aws.String(key), Values: []string{value}})
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
