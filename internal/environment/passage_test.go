//go:build linux

package environment

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/gamemetrics/gmctl/internal/kube"
	"github.com/gamemetrics/gmctl/internal/oci"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/testenv"
	"github.com/gamemetrics/gmctl/internal/testenv/binary"
	testkube "github.com/gamemetrics/gmctl/internal/testenv/kube"
	"github.com/gamemetrics/gmctl/internal/testenv/pods"
	testpostgres "github.com/gamemetrics/gmctl/internal/testenv/postgres"
)

// TestPassage reaches a database, which only pods know by its name, through a pod
// that really runs, and leaves none.
func TestPassage(t *testing.T) {
	testenv.Require(t, testenv.Pods, pods.Available())
	server := testpostgres.Start(t, testpostgres.Options{Unsafe: true})
	address, err := postgres.Address(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	cluster := testkube.Run(t, testkube.Options{})
	runner, err := pods.Start(t.Context(), pods.Options{
		Config: cluster.AdminConfig(), Log: t.Logf, Routes: []pods.Route{{Host: "db.test", Port: 5432, Dial: pods.To(address)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := runner.Stop(); err != nil {
			t.Error(err)
		}
	})
	config := cluster.AdminConfig()
	config.WarningHandler = rest.NoWarnings{}
	admin := kubernetes.NewForConfigOrDie(config)
	client, err := kube.Open(kube.Config{Host: cluster.Endpoint, CA: cluster.CA, ClientCert: config.CertData, ClientKey: config.KeyData})
	if err != nil {
		t.Fatal(err)
	}
	if err := (&passageTo{client: client}).open(t.Context(), silent{}); !errors.Is(err, kube.ErrNotThere) {
		t.Errorf("there is no platform yet: %v", err)
	}
	image := ownImage(t)
	populate(t, admin, image)

	way := &passageTo{client: client}
	if err := way.open(t.Context(), silent{}); err != nil {
		t.Fatal(err, problem.From(err).Next)
	}
	dsn := strings.Replace(server.DSN(), address, "db.test:5432", 1)
	pool, err := postgres.Open(t.Context(), postgres.Config{DSN: dsn, Dial: way.dial})
	if err != nil {
		t.Fatal(err)
	}
	var rows int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM generate_series(1, 100000)").Scan(&rows); err != nil || rows != 100_000 {
		t.Error(rows, err)
	}
	pool.Close()
	closed(t, admin, way)

	// The database cannot be reached from the pod.
	configure(t, admin, "postgres://elsewhere.test:5432/gamemetrics")
	way = &passageTo{client: client}
	if err := way.open(t.Context(), silent{}); err == nil || !strings.Contains(err.Error(), "the cluster does not reach PostgreSQL") {
		t.Errorf("%v", err)
	}
	closed(t, admin, way)

	// The pod does not stay, as that of an older gmctl's image.
	configure(t, admin, "no address")
	way = &passageTo{client: client}
	if err := way.open(t.Context(), silent{}); err == nil || !strings.Contains(err.Error(), "ended with exit code 2") || !strings.Contains(problem.From(err).Next, "gmctl up") {
		t.Errorf("%v", err)
	}
	closed(t, admin, way)

	// There is no such image.
	repository, _, _ := strings.Cut(image, "@")
	deployment, err := admin.AppsV1().Deployments(appsNamespace).Get(t.Context(), ingestionService, meta.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	deployment.Spec.Template.Spec.Containers[0].Image = repository + "@sha256:" + strings.Repeat("0", 64)
	if _, err := admin.AppsV1().Deployments(appsNamespace).Update(t.Context(), deployment, meta.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	way = &passageTo{client: client}
	if err := way.open(t.Context(), silent{}); err == nil || !strings.Contains(err.Error(), "cannot be pulled") || problem.From(err).Next == "" {
		t.Errorf("%v", err)
	}
	closed(t, admin, way)
}

// ownImage pushes the image of this gmctl.
func ownImage(t *testing.T) string {
	t.Helper()
	found, err := oci.FindBinaries(filepath.Dir(binary.Gmctl(t)))
	if err != nil {
		t.Fatal(err)
	}
	image, err := oci.Build(t.Context(), found, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	repository := strings.TrimPrefix(server.URL, "http://") + "/gmctl"
	if err := oci.Push(t.Context(), oci.Target{Repository: repository}, image, oci.Watch{}); err != nil {
		t.Fatal(err)
	}
	return repository + "@" + image.Digest
}

// populate makes what a passage needs of it: a node, the namespace as it is in the
// manifests, and ingestion's image.
func populate(t *testing.T, admin kubernetes.Interface, image string) {
	t.Helper()
	resources := core.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("4Gi"), "pods": resource.MustParse("20")}
	_, nodeErr := admin.CoreV1().Nodes().Create(t.Context(), &core.Node{
		ObjectMeta: meta.ObjectMeta{Name: "application", Labels: map[string]string{"gamemetrics.io/node-group": "application"}},
		Status:     core.NodeStatus{Capacity: resources, Allocatable: resources},
	}, meta.CreateOptions{})
	_, namespaceErr := admin.CoreV1().Namespaces().Create(t.Context(), &core.Namespace{
		ObjectMeta: meta.ObjectMeta{Name: appsNamespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}},
	}, meta.CreateOptions{})
	_, configErr := admin.CoreV1().ConfigMaps(appsNamespace).Create(t.Context(), &core.ConfigMap{
		ObjectMeta: meta.ObjectMeta{Name: "platform"},
		Data:       map[string]string{"GMCTL_DATABASE_URL": "postgres://db.test:5432/gamemetrics", "GMCTL_LOG_FORMAT": "json"},
	}, meta.CreateOptions{})
	labels := map[string]string{"app.kubernetes.io/name": ingestionService}
	_, deploymentErr := admin.AppsV1().Deployments(appsNamespace).Create(t.Context(), &apps.Deployment{
		ObjectMeta: meta.ObjectMeta{Name: ingestionService},
		Spec: apps.DeploymentSpec{
			Replicas: new(int32(0)), Selector: &meta.LabelSelector{MatchLabels: labels},
			Template: core.PodTemplateSpec{
				ObjectMeta: meta.ObjectMeta{Labels: labels}, Spec: core.PodSpec{Containers: []core.Container{{Name: "ingestion", Image: image}}},
			},
		},
	}, meta.CreateOptions{})
	if err := errors.Join(nodeErr, namespaceErr, configErr, deploymentErr); err != nil {
		t.Fatal(err)
	}
}

// configure says where the database is.
func configure(t *testing.T, admin kubernetes.Interface, url string) {
	t.Helper()
	config, err := admin.CoreV1().ConfigMaps(appsNamespace).Get(t.Context(), "platform", meta.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config.Data["GMCTL_DATABASE_URL"] = url
	if _, err := admin.CoreV1().ConfigMaps(appsNamespace).Update(t.Context(), config, meta.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// closed closes the passage and waits until nothing of it is left.
func closed(t *testing.T, admin kubernetes.Interface, way *passageTo) {
	t.Helper()
	if err := way.close(t.Context()); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		left, err := admin.CoreV1().Pods(appsNamespace).List(context.WithoutCancel(t.Context()), meta.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		jobs, err := admin.BatchV1().Jobs(appsNamespace).List(context.WithoutCancel(t.Context()), meta.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(left.Items)+len(jobs.Items) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d pods and %d jobs are left", len(left.Items), len(jobs.Items))
		}
	}
}
