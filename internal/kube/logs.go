package kube

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// ErrNoLog is the error of a container that has no log: it has not begun, it was
// not restarted, or its pod is gone.
var ErrNoLog = errors.New("there is no log")

// Container is a container of a pod as one that writes a log.
type Container struct {
	Namespace string
	Pod       string
	UID       string // of the pod
	Name      string
	App       string // what it is an instance of, as the pod's labels tell
	Running   bool
	Restarts  int
}

// Containers lists the containers of the pods in a namespace. There are none in
// a namespace that is not there.
func (c *Client) Containers(ctx context.Context, namespace string) ([]Container, error) {
	list, err := c.list(ctx, core("Pod"), namespace, "")
	if err != nil {
		return nil, explain(err, "the pods in "+namespace+" could not be listed")
	}
	pods, err := typed[corev1.Pod](list)
	if err != nil {
		return nil, err
	}
	var all []Container
	for i := range pods {
		pod := &pods[i]
		app := cmp.Or(pod.Labels["app.kubernetes.io/name"], pod.Labels["name"], pod.Name)
		for j := range pod.Spec.Containers {
			one := Container{Namespace: namespace, Pod: pod.Name, UID: string(pod.UID), Name: pod.Spec.Containers[j].Name, App: app}
			for k := range pod.Status.ContainerStatuses {
				if status := &pod.Status.ContainerStatuses[k]; status.Name == one.Name {
					one.Running, one.Restarts = status.State.Running != nil, int(status.RestartCount)
				}
			}
			all = append(all, one)
		}
	}
	return all, nil
}

// LogQuery is what of a log is asked for.
type LogQuery struct {
	Tail     int       // the last lines; -1: all
	Since    time.Time // to the second
	Previous bool      // of the container before it was restarted
	Follow   bool      // goes on with what is written, until the container ends
}

// OpenLog returns the lines of a container's log, each after its time as RFC 3339
// and a space, or ErrNoLog. The caller closes it. One that is followed opens with
// its first line: until there is one, OpenLog waits.
func (c *Client) OpenLog(ctx context.Context, of Container, query LogQuery) (io.ReadCloser, error) {
	values := url.Values{"timestamps": {"true"}, "container": {of.Name}}
	if query.Tail >= 0 {
		values.Set("tailLines", strconv.Itoa(query.Tail))
	}
	if !query.Since.IsZero() {
		values.Set("sinceTime", query.Since.UTC().Format(time.RFC3339))
	}
	if query.Previous {
		values.Set("previous", "true")
	}
	if query.Follow {
		values.Set("follow", "true")
	}
	response, err := c.open(ctx, logPath(of.Namespace, of.Pod, values))
	if apierrors.IsNotFound(err) || apierrors.IsBadRequest(err) {
		return nil, ErrNoLog
	}
	if err != nil {
		return nil, explain(err, "the log of pod "+of.Namespace+"/"+of.Pod+" could not be read")
	}
	return response.Body, nil
}

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
	body, err := c.raw(ctx, logPath(namespace, pod, query))
	if err != nil {
		return nil, err
	}
	text := strings.TrimRight(string(body), "\n")
	if text == "" {
		return nil, nil
	}
	return strings.Split(text, "\n"), nil
}

func logPath(namespace, pod string, query url.Values) string {
	return "/api/v1/namespaces/" + url.PathEscape(namespace) + "/pods/" + url.PathEscape(pod) + "/log?" + query.Encode()
}
