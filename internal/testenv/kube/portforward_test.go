//go:build unix

package kube_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

func TestPortForwardReachesWhatTheObjectSays(t *testing.T) {
	client, namespace := open(t)
	node(t, client, "forward", "t3.medium")
	create(t, client, pod(namespace, "ingestion", "64Mi"))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "here") }))
	t.Cleanup(server.Close)
	leadTo(t, namespace, "ingestion", server.URL)
	eventually(t, func() (string, bool) {
		found := get(t, client, namespace, "ingestion")
		return string(found.Status.Phase), found.Status.Phase == corev1.PodRunning
	})
	at := client.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name("ingestion").SubResource("portforward").URL()
	eventually(t, func() (string, bool) { // kwok takes a moment to see the object
		got, err := through(t, at)
		return fmt.Sprint(got, err), got == "here"
	})
}

// leadTo has port-forwards to a pod reach a URL.
func leadTo(t *testing.T, namespace, pod, target string) {
	t.Helper()
	parsed, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseInt(parsed.Port(), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(cluster.Cluster(t).AdminConfig())
	if err != nil {
		t.Fatal(err)
	}
	forward := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "PortForward",
		"metadata": map[string]any{"namespace": namespace, "name": pod},
		"spec": map[string]any{"forwards": []any{map[string]any{
			"ports": []any{int64(8080)}, "target": map[string]any{"address": parsed.Hostname(), "port": port},
		}}},
	}}
	kind := schema.GroupVersionResource{Group: "kwok.x-k8s.io", Version: "v1alpha1", Resource: "portforwards"}
	if _, err := client.Resource(kind).Namespace(namespace).Create(t.Context(), forward, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// through gets / of port 8080 through a port-forward.
func through(t *testing.T, at *url.URL) (string, error) {
	t.Helper()
	transport, upgrader, err := spdy.RoundTripperFor(cluster.Cluster(t).AdminConfig())
	if err != nil {
		return "", err
	}
	stop, ready := make(chan struct{}), make(chan struct{})
	var problems bytes.Buffer
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, at)
	forwarder, err := portforward.New(dialer, []string{":8080"}, stop, ready, io.Discard, &problems)
	if err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	defer func() { <-ended }()
	defer close(stop)
	select {
	case err := <-ended:
		ended <- nil
		return "", err
	case <-ready:
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", ports[0].Local), nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}
