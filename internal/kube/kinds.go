package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	discovery "k8s.io/api/apidiscovery/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// errNoKind is the error of a kind that the cluster does not know: its CRD is
// not there.
var errNoKind = errors.New("the cluster does not know this kind")

// kind is what the API server serves.
type kind struct {
	schema.GroupVersionResource
	Kind       string
	Namespaced bool
	verbs      []string
}

// kinds learns from the API server what it serves, one group and version at a
// time, and remembers it.
type kinds struct {
	get   func(ctx context.Context, path string, into any) error
	mu    sync.Mutex
	known map[string][]kind // by "apps/v1"
}

// find returns how a kind is served. What it does not remember it asks for:
// CRDs come while gmctl runs.
func (k *kinds) find(ctx context.Context, gvk schema.GroupVersionKind) (kind, error) {
	version := gvk.GroupVersion()
	match := func(served kind) bool { return served.Kind == gvk.Kind }
	k.mu.Lock()
	known := k.known[version.String()]
	k.mu.Unlock()
	if at := slices.IndexFunc(known, match); at >= 0 {
		return known[at], nil
	}
	known, err := k.learn(ctx, version)
	if err != nil {
		return kind{}, err
	}
	if at := slices.IndexFunc(known, match); at >= 0 {
		return known[at], nil
	}
	return kind{}, fmt.Errorf("%s in %s: %w", gvk.Kind, version, errNoKind)
}

func (k *kinds) learn(ctx context.Context, version schema.GroupVersion) ([]kind, error) {
	path := "/apis/" + version.String()
	if version.Group == "" {
		path = "/api/" + version.Version
	}
	var list metav1.APIResourceList
	err := k.get(ctx, path, &list)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var served []kind
	for _, resource := range list.APIResources {
		if strings.Contains(resource.Name, "/") {
			continue // a subresource
		}
		served = append(served, kind{
			GroupVersionResource: version.WithResource(resource.Name),
			Kind:                 resource.Kind, Namespaced: resource.Namespaced, verbs: resource.Verbs,
		})
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known[version.String()] = served
	return served, nil
}

// all returns every kind that can be listed and deleted, in its preferred
// version. It asks for the aggregated list: one group's own server that is down
// does not hide the others.
func (k *kinds) all(ctx context.Context) ([]kind, error) {
	var found []kind
	for _, path := range []string{"/api", "/apis"} {
		var list discovery.APIGroupDiscoveryList
		if err := k.get(ctx, path, &list); err != nil {
			return nil, err
		}
		for _, group := range list.Items {
			if len(group.Versions) == 0 {
				continue
			}
			version := schema.GroupVersion{Group: group.Name, Version: group.Versions[0].Version}
			for _, resource := range group.Versions[0].Resources {
				if !slices.Contains(resource.Verbs, "list") || !slices.Contains(resource.Verbs, "delete") || resource.ResponseKind == nil {
					continue
				}
				found = append(found, kind{
					GroupVersionResource: version.WithResource(resource.Resource), Kind: resource.ResponseKind.Kind,
					Namespaced: resource.Scope == discovery.ScopeNamespace, verbs: resource.Verbs,
				})
			}
		}
	}
	return found, nil
}

// accepts asks for the aggregated list of kinds where there is one.
const accepts = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList, application/json, text/plain"

// get reads a document of the API server that is no object.
func (c *Client) get(ctx context.Context, path string, into any) error {
	body, err := c.raw(ctx, path)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

func (c *Client) raw(ctx context.Context, path string) ([]byte, error) {
	response, err := c.open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

// open returns the answer of the API server, whose body the caller closes.
func (c *Client) open(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.host.String()+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accepts)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	status := apierrors.NewGenericServerResponse(response.StatusCode, "GET", schema.GroupResource{Resource: path}, "", strings.TrimSpace(string(body)), 0, true)
	var told metav1.Status
	if json.Unmarshal(body, &told) == nil && told.Message != "" {
		status.ErrStatus.Message = told.Message
	}
	return nil, status
}
