package kube

import (
	"context"
	"net/url"
	"strconv"
	"strings"
)

// Logs returns the last lines of a pod's container; an empty container is the
// pod's only or default one.
func (c *Client) Logs(ctx context.Context, namespace, pod, container string, lines int) ([]string, error) {
	text, err := c.logs(ctx, namespace, pod, container, lines, false)
	return text, explain(err, "the log of pod "+namespace+"/"+pod+" could not be read")
}

// logs may read the log of the container before it was restarted.
func (c *Client) logs(ctx context.Context, namespace, pod, container string, lines int, previous bool) ([]string, error) {
	query := url.Values{"tailLines": {strconv.Itoa(lines)}}
	if container != "" {
		query.Set("container", container)
	}
	if previous {
		query.Set("previous", "true")
	}
	path := "/api/v1/namespaces/" + url.PathEscape(namespace) + "/pods/" + url.PathEscape(pod) + "/log?" + query.Encode()
	body, err := c.raw(ctx, path)
	if err != nil {
		return nil, err
	}
	text := strings.TrimRight(string(body), "\n")
	if text == "" {
		return nil, nil
	}
	return strings.Split(text, "\n"), nil
}
