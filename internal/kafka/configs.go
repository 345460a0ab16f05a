package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Setting is one configuration value of a topic.
type Setting struct {
	Value string
	// Own is whether it was set on the topic itself, rather than being the
	// broker's default.
	Own bool
}

// TopicSettings returns the values of the settings named, or of all if none
// is, for each of the topics. A topic the cluster tells nothing about is an
// error.
func TopicSettings(ctx context.Context, client *kgo.Client, topics []string, settings ...string) (map[string]map[string]Setting, error) {
	request := kmsg.NewPtrDescribeConfigsRequest()
	for _, name := range topics {
		resource := kmsg.NewDescribeConfigsRequestResource()
		resource.ResourceType, resource.ResourceName, resource.ConfigNames = kmsg.ConfigResourceTypeTopic, name, settings
		request.Resources = append(request.Resources, resource)
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	all := make(map[string]map[string]Setting)
	for _, resource := range response.Resources {
		if err := kerr.ErrorForCode(resource.ErrorCode); err != nil {
			return nil, fmt.Errorf("settings of topic %s: %w", resource.ResourceName, err)
		}
		values := make(map[string]Setting)
		for _, c := range resource.Configs {
			if c.Value != nil {
				values[c.Name] = Setting{*c.Value, c.Source == kmsg.ConfigSourceDynamicTopicConfig}
			}
		}
		all[resource.ResourceName] = values
	}
	return all, nil
}
