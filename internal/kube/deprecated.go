package kube

import (
	"bufio"
	"bytes"
	"context"
	"slices"
	"strings"
)

// DeprecatedAPI is an API that someone has asked for since the API server
// started, and that a coming version of Kubernetes does not have.
type DeprecatedAPI struct {
	Group, Version, Resource string
	RemovedIn                string // "1.32"; empty: not decided
}

// DeprecatedAPIs reads from the API server's metrics which deprecated APIs are
// in use.
func (c *Client) DeprecatedAPIs(ctx context.Context) ([]DeprecatedAPI, error) {
	body, err := c.raw(ctx, "/metrics")
	if err != nil {
		return nil, explain(err, "the API server's metrics could not be read")
	}
	var found []DeprecatedAPI
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		labels, used := strings.CutPrefix(lines.Text(), "apiserver_requested_deprecated_apis{")
		labels, value, _ := strings.Cut(labels, "} ")
		if !used || value == "0" {
			continue
		}
		api := DeprecatedAPI{}
		for label := range strings.SplitSeq(labels, ",") {
			name, value, _ := strings.Cut(label, "=")
			value = strings.Trim(value, `"`)
			switch name {
			case "group":
				api.Group = value
			case "version":
				api.Version = value
			case "resource":
				api.Resource = value
			case "removed_release":
				api.RemovedIn = value
			}
		}
		if !slices.Contains(found, api) {
			found = append(found, api)
		}
	}
	return found, lines.Err()
}
