//go:build linux

package pods

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// resolver finds what a pod's specification refers to.
type resolver struct {
	client kubernetes.Interface
	pod    *core.Pod // its status holds the addresses
}

// environment returns a container's variables as a kubelet makes them: those of
// the image, of the services of the namespace, envFrom, env.
func (r resolver) environment(ctx context.Context, container *core.Container, img []string) ([]string, error) {
	env := map[string]string{"HOSTNAME": r.pod.Name, "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	for _, entry := range img {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	if links := r.pod.Spec.EnableServiceLinks; links == nil || *links {
		if err := r.serviceLinks(ctx, env); err != nil {
			return nil, err
		}
	}
	for _, source := range container.EnvFrom {
		values, err := r.wholeSource(ctx, source)
		if err != nil {
			return nil, err
		}
		for name, value := range values {
			env[source.Prefix+name] = value
		}
	}
	for _, variable := range container.Env {
		if variable.ValueFrom == nil {
			env[variable.Name] = expand(variable.Value, env)
			continue
		}
		value, ok, err := r.valueFrom(ctx, variable.ValueFrom, container)
		if err != nil {
			return nil, err
		}
		if ok {
			env[variable.Name] = value
		}
	}
	var entries []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		entries = append(entries, name+"="+env[name])
	}
	return entries, nil
}

// serviceLinks adds what tells of each service of the namespace.
func (r resolver) serviceLinks(ctx context.Context, env map[string]string) error {
	services, err := r.client.CoreV1().Services(r.pod.Namespace).List(ctx, meta.ListOptions{})
	if err != nil {
		return err
	}
	for _, service := range services.Items {
		if service.Spec.ClusterIP == "" || service.Spec.ClusterIP == core.ClusterIPNone || len(service.Spec.Ports) == 0 {
			continue
		}
		prefix := strings.ToUpper(strings.ReplaceAll(service.Name, "-", "_"))
		port := strconv.Itoa(int(service.Spec.Ports[0].Port))
		env[prefix+"_SERVICE_HOST"] = service.Spec.ClusterIP
		env[prefix+"_SERVICE_PORT"] = port
		env[prefix+"_PORT"] = "tcp://" + service.Spec.ClusterIP + ":" + port
	}
	return nil
}

func (r resolver) wholeSource(ctx context.Context, source core.EnvFromSource) (map[string]string, error) {
	switch {
	case source.ConfigMapRef != nil:
		return r.configMap(ctx, source.ConfigMapRef.Name, isTrue(source.ConfigMapRef.Optional))
	case source.SecretRef != nil:
		return r.secret(ctx, source.SecretRef.Name, isTrue(source.SecretRef.Optional))
	}
	return nil, errors.New("an entry of envFrom names no source")
}

// configMap returns the values of a config map, none if it is optional and missing.
func (r resolver) configMap(ctx context.Context, name string, optional bool) (map[string]string, error) {
	found, err := r.client.CoreV1().ConfigMaps(r.pod.Namespace).Get(ctx, name, meta.GetOptions{})
	if apierrors.IsNotFound(err) && optional {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	values := maps.Clone(found.Data)
	if values == nil {
		values = map[string]string{}
	}
	for key, value := range found.BinaryData {
		values[key] = string(value)
	}
	return values, nil
}

func (r resolver) secret(ctx context.Context, name string, optional bool) (map[string]string, error) {
	found, err := r.client.CoreV1().Secrets(r.pod.Namespace).Get(ctx, name, meta.GetOptions{})
	if apierrors.IsNotFound(err) && optional {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	values := make(map[string]string, len(found.Data))
	for key, value := range found.Data {
		values[key] = string(value)
	}
	return values, nil
}

// valueFrom resolves a variable's source; ok is false where it is optional and missing.
func (r resolver) valueFrom(ctx context.Context, source *core.EnvVarSource, container *core.Container) (value string, ok bool, err error) {
	switch {
	case source.ConfigMapKeyRef != nil:
		ref := source.ConfigMapKeyRef
		values, err := r.configMap(ctx, ref.Name, isTrue(ref.Optional))
		return keyOf(values, ref.Key, isTrue(ref.Optional), err, "ConfigMap "+r.pod.Namespace+"/"+ref.Name)
	case source.SecretKeyRef != nil:
		ref := source.SecretKeyRef
		values, err := r.secret(ctx, ref.Name, isTrue(ref.Optional))
		return keyOf(values, ref.Key, isTrue(ref.Optional), err, "Secret "+r.pod.Namespace+"/"+ref.Name)
	case source.FieldRef != nil:
		value, err := r.field(source.FieldRef.FieldPath)
		return value, true, err
	case source.ResourceFieldRef != nil:
		value, err := r.resourceField(ctx, source.ResourceFieldRef, container)
		return value, true, err
	}
	return "", false, errors.New("a variable's valueFrom names no source that the testbed knows")
}

func keyOf(values map[string]string, key string, optional bool, err error, where string) (string, bool, error) {
	if err != nil {
		return "", false, err
	}
	value, ok := values[key]
	if !ok && !optional {
		return "", false, fmt.Errorf("couldn't find key %s in %s", key, where)
	}
	return value, ok, nil
}

// field returns the value of a path into the pod, as the downward API has it.
func (r resolver) field(path string) (string, error) {
	pod := r.pod
	if list, key, ok := strings.Cut(path, "['"); ok {
		key = strings.TrimSuffix(key, "']")
		switch list {
		case "metadata.labels":
			return pod.Labels[key], nil
		case "metadata.annotations":
			return pod.Annotations[key], nil
		}
	}
	switch path {
	case "metadata.name":
		return pod.Name, nil
	case "metadata.namespace":
		return pod.Namespace, nil
	case "metadata.uid":
		return string(pod.UID), nil
	case "metadata.labels":
		return lines(pod.Labels), nil
	case "metadata.annotations":
		return lines(pod.Annotations), nil
	case "spec.nodeName":
		return pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	case "status.hostIP", "status.hostIPs":
		return pod.Status.HostIP, nil
	case "status.podIP", "status.podIPs":
		return pod.Status.PodIP, nil
	}
	return "", fmt.Errorf("unsupported fieldPath: %s", path)
}

func lines(values map[string]string) string {
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&text, "%s=%q\n", key, values[key])
	}
	return text.String()
}

// resourceField returns a request or limit; a limit that is not set is what the
// node has for pods.
func (r resolver) resourceField(ctx context.Context, ref *core.ResourceFieldSelector, container *core.Container) (string, error) {
	for _, other := range r.pod.Spec.Containers {
		if other.Name == ref.ContainerName {
			container = &other
		}
	}
	kind, name, _ := strings.Cut(ref.Resource, ".")
	list := container.Resources.Requests
	if kind == "limits" {
		list = container.Resources.Limits
	}
	quantity, ok := list[core.ResourceName(name)]
	if !ok && kind == "limits" {
		node, err := r.client.CoreV1().Nodes().Get(ctx, r.pod.Spec.NodeName, meta.GetOptions{})
		if err != nil {
			return "", err
		}
		quantity = node.Status.Allocatable[core.ResourceName(name)]
	}
	divisor := ref.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	if name == "cpu" { // in thousandths, as a divisor of 1m asks for them
		return strconv.FormatInt(ceil(quantity.MilliValue(), divisor.MilliValue()), 10), nil
	}
	return strconv.FormatInt(ceil(quantity.Value(), divisor.Value()), 10), nil
}

func ceil(n, by int64) int64 { return (n + by - 1) / by }

func isTrue(b *bool) bool { return b != nil && *b }

// expand replaces $(NAME) by the variable's value. $$ is a $; a name that is
// not known stays as it is written.
func expand(text string, env map[string]string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '$' || i+1 == len(text) {
			out.WriteByte(text[i])
			continue
		}
		switch end := strings.IndexByte(text[i:], ')'); {
		case text[i+1] == '$':
			out.WriteByte('$')
			i++
		case text[i+1] == '(' && end > 0:
			if value, ok := env[text[i+2:i+end]]; ok {
				out.WriteString(value)
			} else {
				out.WriteString(text[i : i+end+1])
			}
			i += end
		default:
			out.WriteByte('$')
		}
	}
	return out.String()
}

// expandAll expands each of the words of a command with variables as NAME=value.
func expandAll(words, entries []string) []string {
	env := make(map[string]string, len(entries))
	for _, entry := range entries {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	expanded := make([]string, len(words))
	for i, word := range words {
		expanded[i] = expand(word, env)
	}
	return expanded
}
