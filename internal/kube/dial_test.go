//go:build unix

package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gamemetrics/gmctl/internal/problem"
)

func createOptions() metav1.CreateOptions { return metav1.CreateOptions{} }

func copyBody(w io.Writer, response *http.Response) { io.Copy(w, response.Body) }

const service = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: NS}\nspec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}\n"

// A connection to a service reaches a process, through the API server and what
// plays the kubelet, and behaves as a connection does.
func TestDial(t *testing.T) {
	client := open(t)
	node(t, client, "dial", "t3.medium")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %d", r.URL.Path, len(body))
	}))
	defer server.Close()
	name, wanted := set(t, client, together(namespace, deployment("web", "registry/web:1", "64Mi", 1), service))
	apply(t, client, name, []*unstructured.Unstructured{wanted[0], wanted[2]})
	if _, err := client.Dial(t.Context(), name, "web", 80); err == nil || !strings.Contains(err.Error(), "is ready") {
		t.Errorf("the service has no pod yet: %v", err)
	}
	apply(t, client, name, wanted)
	if err := client.Wait(t.Context(), wanted, &updates{}); err != nil {
		t.Fatal(err)
	}
	played := parse(t, fmt.Sprintf(`apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterPortForward
metadata: {name: %s}
spec:
  selector: {matchNamespaces: [%s]}
  forwards:
  - {ports: [8080], target: {address: 127.0.0.1, port: %d}}
  - {ports: [8081], target: {address: 127.0.0.1, port: 1}}
`, name, name, portOf(t, server.URL)))
	where, err := client.resource(t.Context(), RefOf(played))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := where.Create(t.Context(), played, createOptions()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.remove(context.Background(), RefOf(played)) })
	time.Sleep(500 * time.Millisecond) // kwok has no status that says it knows

	through := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return client.Dial(ctx, name, "web", 80)
	}}}
	defer through.CloseIdleConnections()
	for _, size := range []int{0, 1 << 20, 10} {
		response, err := through.Post("http://web/events", "text/plain", strings.NewReader(strings.Repeat("x", size)))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if want := fmt.Sprintf("/events %d", size); err != nil || string(body) != want {
			t.Errorf("%q, %v", body, err)
		}
	}

	conn, err := client.Dial(t.Context(), name, "web", 80)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("deadline: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if _, err := conn.Write([]byte("x")); err == nil {
		t.Error("written to a closed connection")
	}

	pods, err := client.list(t.Context(), core("Pod"), name, "app=web")
	if err != nil || len(pods) != 1 {
		t.Fatal(len(pods), err)
	}
	refused, err := client.DialPod(t.Context(), name, pods[0].GetName(), 8081)
	if err != nil {
		t.Fatal(err)
	}
	defer refused.Close()
	refused.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := refused.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a port where nothing listens: %v", err)
	}
	for _, missing := range []func() (net.Conn, error){
		func() (net.Conn, error) { return client.Dial(t.Context(), name, "nothing", 80) },
		func() (net.Conn, error) { return client.Dial(t.Context(), name, "web", 81) },
		func() (net.Conn, error) { return client.DialPod(t.Context(), name, "nothing", 80) },
	} {
		if _, err := missing(); err == nil || problem.From(err).What == "" {
			t.Errorf("%v", err)
		}
	}
}
