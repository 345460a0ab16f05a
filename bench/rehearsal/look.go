//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/kube"
	"github.com/gamemetrics/gmctl/internal/testenv/aws"
)

// resources lists what AWS has with the environment's tags.
func (r *run) resources(ctx context.Context) ([]string, error) {
	session, err := awscloud.Open(ctx, awscloud.Options{Region: aws.Region})
	if err != nil {
		return nil, err
	}
	owned, err := session.Owned(ctx, map[string]string{"ManagedBy": "gmctl", "Environment": "dev"})
	var names []string
	for _, resource := range owned {
		names = append(names, resource.ARN)
	}
	return names, err
}

// look counts what stands in Kubernetes; every pod must run or be done.
func (r *run) look(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(r.account.Kube.AdminConfig())
	if err != nil {
		return err
	}
	pods, err := client.CoreV1().Pods("").List(ctx, meta.ListOptions{})
	if err != nil {
		return err
	}
	clear(r.proof.Pods)
	var bad []string
	for _, pod := range pods.Items {
		r.proof.Pods[string(pod.Status.Phase)]++
		if pod.Status.Phase != core.PodRunning && pod.Status.Phase != core.PodSucceeded {
			bad = append(bad, fmt.Sprintf("%s/%s is %s", pod.Namespace, pod.Name, pod.Status.Phase))
		}
	}
	if len(bad) > 0 {
		return errors.New(strings.Join(bad, ", "))
	}
	versions, err := r.versions(ctx)
	r.proof.Objects = len(versions)
	return err
}

// versions are the resource versions of all objects of gmctl's sets, without
// what their controllers write: their generations.
func (r *run) versions(ctx context.Context) (map[string]int64, error) {
	found := map[string]int64{}
	err := r.everyObject(ctx, kube.LabelSet, func(resource string, object *unstructured.Unstructured) error {
		if resource == "endpointslices" || resource == "endpoints" { // Kubernetes' own, with the labels of their services
			return nil
		}
		found[resource+" "+object.GetNamespace()+"/"+object.GetName()] = object.GetGeneration()
		return nil
	})
	return found, err
}

// everyObject hands over all objects that the selector selects.
func (r *run) everyObject(ctx context.Context, selector string, visit func(resource string, object *unstructured.Unstructured) error) error {
	config := r.account.Kube.AdminConfig()
	config.WarningHandler = rest.NoWarnings{} // of what is deprecated: everything is looked at
	lookup, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	groups, err := restmapper.GetAPIGroupResources(lookup)
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	for _, group := range groups {
		for version, resources := range group.VersionedResources {
			if version != group.Group.PreferredVersion.Version {
				continue
			}
			for _, resource := range resources {
				if !slices.Contains(resource.Verbs, "list") || strings.Contains(resource.Name, "/") {
					continue
				}
				kind := schema.GroupVersionResource{Group: group.Group.Name, Version: version, Resource: resource.Name}
				list, err := client.Resource(kind).List(ctx, meta.ListOptions{LabelSelector: selector})
				if err != nil {
					return fmt.Errorf("%s: %w", resource.Name, err)
				}
				for i := range list.Items {
					if err := visit(resource.Name, &list.Items[i]); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// differing is nil if both are the same.
func differing(before, after map[string]int64) error {
	if maps.Equal(before, after) {
		return nil
	}
	var changed []string
	for name, generation := range after {
		if old, ok := before[name]; !ok || old != generation {
			changed = append(changed, name)
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			changed = append(changed, name+" (gone)")
		}
	}
	return fmt.Errorf("something was written: %s", strings.Join(changed, ", "))
}

// nodesAre holds the kubelets of all nodes against a version.
func (r *run) nodesAre(ctx context.Context, version string) error {
	client, err := kubernetes.NewForConfig(r.account.Kube.AdminConfig())
	if err != nil {
		return err
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, meta.ListOptions{})
	if err != nil {
		return err
	}
	for _, node := range nodes.Items {
		if !strings.HasPrefix(node.Status.NodeInfo.KubeletVersion, version+".") {
			return fmt.Errorf("node %s is still %s", node.Name, node.Status.NodeInfo.KubeletVersion)
		}
	}
	return nil
}

// kept is what stays of an environment on purpose: AWS deletes keys after a
// week, and a final snapshot holds the data.
var kept = regexp.MustCompile(`:kms:|:rds:[^:]*:[^:]*:snapshot:`)

// orphans counts what is left after teardown, in AWS and in Kubernetes.
func (r *run) orphans(ctx context.Context) error {
	resources, err := r.resources(ctx)
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(resources, kept.MatchString)
	roles, err := r.roles(ctx)
	if err != nil {
		return err
	}
	left = append(left, roles...)
	objects, err := r.versions(ctx)
	if err != nil {
		return err
	}
	left = append(left, slices.Sorted(maps.Keys(objects))...)
	r.proof.Orphans = len(left)
	if len(left) > 0 {
		return fmt.Errorf("left behind: %s", strings.Join(left, ", "))
	}
	return nil
}

// roles lists the IAM roles of the environment: no service lists them by tag.
func (r *run) roles(ctx context.Context) ([]string, error) {
	form := url.Values{"Action": {"ListRoles"}, "Version": {"2010-05-08"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.account.AWS.Endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+aws.AccountID+"/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=none")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the roles cannot be listed: %s", text)
	}
	var names []string
	for _, found := range regexp.MustCompile(`<RoleName>(gamemetrics-dev[^<]*)</RoleName>`).FindAllStringSubmatch(string(text), -1) {
		names = append(names, "role "+found[1])
	}
	return names, err
}
