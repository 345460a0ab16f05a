//go:build linux

package pods_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"

	testkube "github.com/gamemetrics/gmctl/internal/testenv/kube"
	"github.com/gamemetrics/gmctl/internal/testenv/pods"
)

// cluster is shared by the tests of this package.
var cluster testkube.Shared

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

// place is a cluster whose pods of ours run.
type place struct {
	t         *testing.T
	client    *kubernetes.Clientset
	runner    *pods.Runner
	namespace string
	image     string
}

func open(t *testing.T) *place {
	t.Helper()
	require(t)
	config := cluster.Cluster(t).AdminConfig()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	runner, err := pods.Start(t.Context(), pods.Options{Config: config, BackOff: 200 * time.Millisecond, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := runner.Stop(); err != nil {
			t.Error(err)
		}
	})
	p := &place{t: t, client: client, runner: runner, image: push(t)}
	t.Cleanup(p.clear)
	p.addNode()
	namespace, err := client.CoreV1().Namespaces().Create(t.Context(),
		&core.Namespace{ObjectMeta: meta.ObjectMeta{GenerateName: "test-"}}, meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p.namespace = namespace.Name
	p.eventually("the namespace's service account", func() (string, bool) {
		_, err := client.CoreV1().ServiceAccounts(p.namespace).Get(t.Context(), "default", meta.GetOptions{})
		return fmt.Sprint(err), err == nil
	})
	return p
}

// clear forgets the test's pods, so that the next test's runner does not take them.
func (p *place) clear() {
	err := p.client.CoreV1().Pods(p.namespace).DeleteCollection(context.WithoutCancel(p.t.Context()),
		meta.DeleteOptions{GracePeriodSeconds: new(int64(0))}, meta.ListOptions{})
	if err != nil {
		p.t.Error(err)
	}
}

func (p *place) addNode() {
	p.t.Helper()
	resources := core.ResourceList{"cpu": resource.MustParse("4"), "memory": resource.MustParse("8Gi"), "pods": resource.MustParse("50")}
	node := &core.Node{ObjectMeta: meta.ObjectMeta{Name: "node"}, Status: core.NodeStatus{Capacity: resources, Allocatable: resources}}
	if _, err := p.client.CoreV1().Nodes().Create(p.t.Context(), node, meta.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		p.t.Fatal(err)
	}
}

func (p *place) pod(name string, change func(*core.Pod)) *core.Pod {
	p.t.Helper()
	pod := &core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: name, Namespace: p.namespace, Labels: map[string]string{
			"app": name, testkube.PartOfLabel: testkube.PartOf, testkube.ImageLabel: testkube.OwnImage,
		}},
		Spec: core.PodSpec{
			TerminationGracePeriodSeconds: new(int64(5)),
			Containers: []core.Container{{
				Name: "guest", Image: p.image, Ports: []core.ContainerPort{{Name: "http", ContainerPort: 8080}},
				ReadinessProbe: &core.Probe{PeriodSeconds: 1, ProbeHandler: core.ProbeHandler{
					HTTPGet: &core.HTTPGetAction{Path: "/healthz", Port: intstr.FromString("http")},
				}},
			}},
		},
	}
	if change != nil {
		change(pod)
	}
	made, err := p.client.CoreV1().Pods(p.namespace).Create(p.t.Context(), pod, meta.CreateOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	return made
}

func (p *place) get(name string) *core.Pod {
	p.t.Helper()
	found, err := p.client.CoreV1().Pods(p.namespace).Get(p.t.Context(), name, meta.GetOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	return found
}

func (p *place) awaitReady(name string) {
	p.t.Helper()
	p.eventually("pod "+name+" to be ready", func() (string, bool) {
		found := p.get(name)
		for _, c := range found.Status.Conditions {
			if c.Type == core.PodReady && c.Status == core.ConditionTrue {
				return "", true
			}
		}
		return fmt.Sprintf("%+v", found.Status.ContainerStatuses), false
	})
}

// service makes one of that name for the pod.
func (p *place) service(name, pod string, port int32) {
	p.t.Helper()
	_, err := p.client.CoreV1().Services(p.namespace).Create(p.t.Context(), &core.Service{
		ObjectMeta: meta.ObjectMeta{Name: name, Namespace: p.namespace},
		Spec: core.ServiceSpec{
			Selector: map[string]string{"app": pod}, Ports: []core.ServicePort{{Port: port, TargetPort: intstr.FromString("http")}},
		},
	}, meta.CreateOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
}

// awaitService waits until a service leads to its pod, which is a moment after
// the pod is ready.
func (p *place) awaitService(name string, port int) {
	p.t.Helper()
	p.eventually("service "+name+" to lead to its pod", func() (string, bool) {
		conn, err := p.runner.Dial(p.t.Context(), p.namespace, name, port)
		if err != nil {
			return err.Error(), false
		}
		_ = conn.Close() // nothing was sent
		return "", true
	})
}

// ask makes an HTTP request of a service.
func (p *place) ask(service string, port int, path string) string {
	p.t.Helper()
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return p.runner.Dial(ctx, p.namespace, service, port)
		},
		DisableKeepAlives: true,
	}}
	response, err := client.Get("http://" + service + path)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(body)
}

func (p *place) eventually(what string, check func() (saw string, holds bool)) {
	p.t.Helper()
	const patience = 30 * time.Second
	var saw string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var ok bool
		if saw, ok = check(); ok {
			return
		}
	}
	p.t.Fatalf("%s: not within %s; last: %s", what, patience, saw)
}

func TestAContainerSeesWhatItsPodSays(t *testing.T) {
	p := open(t)
	for _, object := range []error{
		create(p.client.CoreV1().ConfigMaps(p.namespace).Create(t.Context(), &core.ConfigMap{
			ObjectMeta: meta.ObjectMeta{Name: "platform"}, Data: map[string]string{"HOST": "db", "ca.crt": "pem"},
		}, meta.CreateOptions{})),
		create(p.client.CoreV1().Secrets(p.namespace).Create(t.Context(), &core.Secret{
			ObjectMeta: meta.ObjectMeta{Name: "database"}, StringData: map[string]string{"password": "hush"},
		}, meta.CreateOptions{})),
	} {
		if object != nil {
			t.Fatal(object)
		}
	}
	p.pod("sees", func(pod *core.Pod) {
		c := &pod.Spec.Containers[0]
		c.Args = []string{"for", "$(HOST)", "$$(HOST)", "$(UNKNOWN)"}
		c.EnvFrom = []core.EnvFromSource{{ConfigMapRef: &core.ConfigMapEnvSource{LocalObjectReference: core.LocalObjectReference{Name: "platform"}}}}
		c.Env = []core.EnvVar{
			{Name: "REPLACED", Value: "at $(HOST)"},
			{Name: "PASSWORD", ValueFrom: &core.EnvVarSource{SecretKeyRef: &core.SecretKeySelector{
				LocalObjectReference: core.LocalObjectReference{Name: "database"}, Key: "password",
			}}},
			{Name: "POD_IP", ValueFrom: &core.EnvVarSource{FieldRef: &core.ObjectFieldSelector{FieldPath: "status.podIP"}}},
		}
		pod.Spec.SecurityContext = &core.PodSecurityContext{RunAsUser: new(int64(65532)), FSGroup: new(int64(777))}
		c.SecurityContext = &core.SecurityContext{ReadOnlyRootFilesystem: new(true)}
		c.VolumeMounts = []core.VolumeMount{
			{Name: "ca", MountPath: "/etc/ca"}, {Name: "secret", MountPath: "/var/run/db", ReadOnly: true}, {Name: "work", MountPath: "/scratch"},
		}
		pod.Spec.Volumes = []core.Volume{
			{Name: "ca", VolumeSource: core.VolumeSource{ConfigMap: &core.ConfigMapVolumeSource{
				LocalObjectReference: core.LocalObjectReference{Name: "platform"}, Items: []core.KeyToPath{{Key: "ca.crt", Path: "deep/ca.pem"}},
			}}},
			{Name: "secret", VolumeSource: core.VolumeSource{Secret: &core.SecretVolumeSource{SecretName: "database", DefaultMode: new(int32(0o400))}}},
			{Name: "work", VolumeSource: core.VolumeSource{EmptyDir: &core.EmptyDirVolumeSource{}}},
		}
	})
	p.service("seen", "sees", 80)
	p.awaitReady("sees")
	p.awaitService("seen", 80)
	for path, want := range map[string]string{
		"/args":                                    "guest for db $(HOST) $(UNKNOWN)",
		"/env?name=FROM_IMAGE":                     "yes",
		"/env?name=REPLACED":                       "at db",
		"/env?name=PASSWORD":                       "hush",
		"/env?name=POD_IP":                         p.get("sees").Status.PodIP,
		"/who":                                     "uid 65532 gid 4321 pid 1 host sees",
		"/file?path=/etc/ca/deep/ca.pem":           "pem<nil>",
		"/file?path=/run/db/password":              "hush<nil>",
		"/write?path=/scratch/file":                "<nil>",
		"/write?path=/app/file":                    "open /app/file: read-only file system",
		"/file?path=/etc/shadow":                   "open /etc/shadow: no such file or directory",
		"/dial?to=127.0.0.1:22":                    "dial tcp 127.0.0.1:22: connect: connection refused",
		"/dial?to=seen:80":                         "HTTP/1.0 404 Not Found <nil>",
		"/dial?to=seen." + p.namespace + ".svc:80": "HTTP/1.0 404 Not Found <nil>",
	} {
		if got := p.ask("seen", 80, path); got != want {
			t.Errorf("%s: %q, not %q", path, got, want)
		}
	}
	if token := p.ask("seen", 80, "/file?path=/var/run/secrets/kubernetes.io/serviceaccount/token"); !strings.HasPrefix(token, "ey") {
		t.Errorf("the service account's token is %q", token)
	}
}

func create[T any](_ T, err error) error { return err }

func TestPodsReachTheOutsideByRoutes(t *testing.T) {
	p := open(t)
	outside := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(outside.Close)
	port, err := strconv.Atoi(outside.URL[strings.LastIndex(outside.URL, ":")+1:])
	if err != nil {
		t.Fatal(err)
	}
	to := pods.To(outside.Listener.Addr().String())
	p.runner.Route(pods.Route{Host: "db.example.com", Port: 5432, Dial: to})
	p.runner.Route(pods.Route{Host: "127.0.0.1", Port: port, Dial: to})
	p.pod("client", nil)
	p.service("client", "client", 80)
	p.awaitReady("client")
	p.awaitService("client", 80)
	for target, want := range map[string]string{
		"db.example.com:5432":             "HTTP/1.0 404 Not Found <nil>",
		fmt.Sprintf("127.0.0.1:%d", port): "HTTP/1.0 404 Not Found <nil>",
		"kubernetes.default.svc:443":      "HTTP/1.0 400 Bad Request <nil>", // it wants TLS
		"elsewhere.example.com:5432":      "no such host",
		"db.example.com:5433":             "connection refused",
	} {
		if got := p.ask("client", 80, "/dial?to="+url.QueryEscape(target)); !strings.Contains(got, want) {
			t.Errorf("%s: %q", target, got)
		}
	}
	// a service that came after the pod, of a pod that others play
	if err := p.runner.Play(t.Context(), p.namespace, "played", map[int]pods.Dial{9093: to}); err != nil {
		t.Fatal(err)
	}
	played := &core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: "played", Namespace: p.namespace, Labels: map[string]string{"app": "played"}},
		Spec: core.PodSpec{
			Hostname: "played", Subdomain: "brokers",
			Containers: []core.Container{{Name: "broker", Image: "example.com/broker:1", Ports: []core.ContainerPort{{ContainerPort: 9093}}}},
		},
	}
	if _, err := p.client.CoreV1().Pods(p.namespace).Create(t.Context(), played, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.client.CoreV1().Services(p.namespace).Create(t.Context(), &core.Service{
		ObjectMeta: meta.ObjectMeta{Name: "brokers", Namespace: p.namespace},
		Spec: core.ServiceSpec{
			ClusterIP: core.ClusterIPNone, Selector: map[string]string{"app": "played"},
			Ports: []core.ServicePort{{Port: 9093}},
		},
	}, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"brokers:9093", "played.brokers." + p.namespace + ".svc:9093"} {
		p.eventually(target, func() (string, bool) {
			got := p.ask("client", 80, "/dial?to="+target)
			return got, strings.Contains(got, "404 Not Found")
		})
	}
}

func TestLogsAndPortForwardsPassTheAPIServer(t *testing.T) {
	p := open(t)
	p.pod("logs", nil)
	p.awaitReady("logs")
	p.eventually("the log", func() (string, bool) {
		text, err := p.client.CoreV1().Pods(p.namespace).GetLogs("logs", &core.PodLogOptions{}).DoRaw(t.Context())
		return fmt.Sprint(string(text), err), strings.Contains(string(text), "serving\n") && strings.Contains(string(text), "to stderr\n")
	})
	conn := portForward(t, cluster.Cluster(t).AdminConfig(), p.namespace, "logs", 8080)
	fmt.Fprint(conn, "GET /who HTTP/1.1\r\nHost: logs\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	// what the server closes stays open for the client: kwok waits for both
	body := make([]byte, answer.ContentLength)
	if _, err := io.ReadFull(answer.Body, body); err != nil || string(body) != "uid 1234 gid 4321 pid 1 host logs" {
		t.Errorf("%s, %v", body, err)
	}
}

func TestAnUnhealthyContainerIsRestarted(t *testing.T) {
	p := open(t)
	p.pod("sick", func(pod *core.Pod) {
		pod.Spec.Containers[0].LivenessProbe = &core.Probe{InitialDelaySeconds: 2, PeriodSeconds: 1, FailureThreshold: 2, ProbeHandler: core.ProbeHandler{
			HTTPGet: &core.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt(8080)},
		}}
		pod.Spec.Containers[0].ReadinessProbe = &core.Probe{PeriodSeconds: 1, ProbeHandler: core.ProbeHandler{
			Exec: &core.ExecAction{Command: []string{"guest", "write", "/tmp/ready"}},
		}}
	})
	p.service("sick", "sick", 80)
	p.awaitReady("sick")
	p.awaitService("sick", 80)
	before := p.get("sick").Status.ContainerStatuses[0].RestartCount // of a slow start
	p.eventually("the container to become sick", func() (string, bool) {
		got := p.ask("sick", 80, "/sicken")
		return got, got == ""
	})
	p.eventually("the restart", func() (string, bool) {
		status := p.get("sick").Status.ContainerStatuses[0]
		return fmt.Sprintf("%+v", status), status.RestartCount == before+1 && status.Ready && status.LastTerminationState.Terminated != nil
	})
	p.eventually("the log of the container that was stopped", func() (string, bool) {
		previous, err := p.client.CoreV1().Pods(p.namespace).GetLogs("sick", &core.PodLogOptions{Previous: true}).DoRaw(t.Context())
		return fmt.Sprintf("%s, %v", previous, err), err == nil && strings.Contains(string(previous), "asked to leave")
	})
}

func TestWhatCannotRunSaysWhy(t *testing.T) {
	p := open(t)
	waits := func(name, reason, message string) {
		t.Helper()
		p.eventually(name+" to wait with "+reason, func() (string, bool) {
			statuses := p.get(name).Status.ContainerStatuses
			if len(statuses) == 0 || statuses[0].State.Waiting == nil {
				return fmt.Sprintf("%+v", statuses), false
			}
			w := statuses[0].State.Waiting
			return w.Reason + ": " + w.Message, w.Reason == reason && strings.Contains(w.Message, message)
		})
	}
	p.pod("crashes", func(pod *core.Pod) { pod.Spec.Containers[0].Args = []string{"exit", "7"} })
	p.pod("missing", func(pod *core.Pod) {
		pod.Spec.Containers[0].Image = p.image[:strings.Index(p.image, "@")] + "@sha256:" + strings.Repeat("0", 64)
	})
	p.pod("tagged", func(pod *core.Pod) { pod.Spec.Containers[0].Image = p.image[:strings.Index(p.image, "@")] + ":1" })
	p.pod("root", func(pod *core.Pod) { pod.Spec.SecurityContext = &core.PodSecurityContext{RunAsUser: new(int64(0))} })
	p.pod("secretless", func(pod *core.Pod) {
		pod.Spec.Containers[0].EnvFrom = []core.EnvFromSource{{SecretRef: &core.SecretEnvSource{LocalObjectReference: core.LocalObjectReference{Name: "absent"}}}}
	})
	waits("crashes", "CrashLoopBackOff", "restarting failed container=guest")
	if last := p.get("crashes").Status.ContainerStatuses[0].LastTerminationState.Terminated; last == nil || last.ExitCode != 7 {
		t.Errorf("%+v", last)
	}
	waits("missing", "ErrImagePull", "not found")
	waits("missing", "ImagePullBackOff", "not found")
	waits("tagged", "InvalidImageName", "digest")
	waits("root", "CreateContainerConfigError", "root")
	waits("secretless", "CreateContainerConfigError", `secrets "absent" not found`)
}

func TestAJobCompletesAndInitContainersComeFirst(t *testing.T) {
	p := open(t)
	template := core.PodTemplateSpec{
		ObjectMeta: meta.ObjectMeta{Labels: map[string]string{testkube.PartOfLabel: testkube.PartOf, testkube.ImageLabel: testkube.OwnImage}},
		Spec: core.PodSpec{
			RestartPolicy: core.RestartPolicyNever,
			InitContainers: []core.Container{{
				Name: "first", Image: p.image, Args: []string{"write", "/shared/first"},
				VolumeMounts: []core.VolumeMount{{Name: "shared", MountPath: "/shared"}},
			}},
			Containers: []core.Container{{Name: "then", Image: p.image, Args: []string{"exit", "0"}}},
			Volumes:    []core.Volume{{Name: "shared", VolumeSource: core.VolumeSource{EmptyDir: &core.EmptyDirVolumeSource{}}}},
		},
	}
	jobs := p.client.BatchV1().Jobs(p.namespace)
	if _, err := jobs.Create(t.Context(), &batch.Job{ObjectMeta: meta.ObjectMeta{Name: "schema"}, Spec: batch.JobSpec{Template: template}}, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	p.eventually("the job", func() (string, bool) {
		job, err := jobs.Get(t.Context(), "schema", meta.GetOptions{})
		return fmt.Sprintf("%+v, %v", job.Status, err), err == nil && job.Status.Succeeded == 1
	})
}

func TestAPodEndsInOrderAndNothingIsLeft(t *testing.T) {
	p := open(t)
	p.pod("ends", nil)
	p.awaitReady("ends")
	if got := len(guests(t)); got != 1 {
		t.Errorf("%d processes run", got)
	}
	if err := p.client.CoreV1().Pods(p.namespace).Delete(t.Context(), "ends", meta.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	p.eventually("the pod to go", func() (string, bool) {
		_, err := p.client.CoreV1().Pods(p.namespace).Get(t.Context(), "ends", meta.GetOptions{})
		return fmt.Sprint(err), apierrors.IsNotFound(err)
	})
	p.pod("killed", nil)
	p.awaitReady("killed")
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || strings.Contains(string(mounts), "gmctl-pods") {
		t.Errorf("mounts are seen on the machine: %v", err)
	}
	if err := p.runner.Stop(); err != nil {
		t.Error(err)
	}
	if left := guests(t); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// guests returns the processes that run the tests' program.
func guests(t *testing.T) []string {
	t.Helper()
	var found []string
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range names {
		if comm, err := os.ReadFile(path); err == nil && string(comm) == "guest\n" {
			found = append(found, path)
		}
	}
	return found
}
