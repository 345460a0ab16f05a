//go:build unix

package upgrade_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/capacity"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/kube"
	testaws "github.com/gamemetrics/gmctl/internal/testenv/aws"
	testkube "github.com/gamemetrics/gmctl/internal/testenv/kube"
	"github.com/gamemetrics/gmctl/internal/testenv/nodegroups"
	"github.com/gamemetrics/gmctl/internal/upgrade"
)

var cluster testkube.Shared

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

const clusterName = "gamemetrics-dev"

// world is an account with a cluster of Kubernetes 1.33, whose node groups become
// nodes of a real Kubernetes, and what an upgrade works with there.
type world struct {
	*upgrade.Options
	settings *settings
	aws      *eks.Client
	inside   *kubernetes.Clientset
	journal  string
}

// settings stand for gmctl.yaml, which a stage may read while another writes it.
type settings struct {
	mu      sync.Mutex
	version string
	types   map[string]string
}

func (s *settings) File() string { return "gmctl.yaml" }

func (s *settings) KubernetesVersion() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version, nil
}

func (s *settings) SetKubernetesVersion(version string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = version
	return nil
}

func (s *settings) InstanceType(group string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.types[group], nil
}

func (s *settings) SetInstanceType(group, instance string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.types[group] = instance
	return nil
}

// all is what the settings say.
func (s *settings) all() (version string, types map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version, maps.Clone(s.types)
}

// terraform stands for Terraform's stage: it wants what the settings say, and
// takes note of what is there only when it is applied.
type terraform struct {
	w     *world
	known *[]string // names of the node groups in its state
}

func (s terraform) Plan(ctx context.Context, _ engine.Goal) (engine.Plan, error) {
	version, types := s.w.settings.all()
	plan := engine.Plan{Fingerprint: fmt.Sprint(version, types)}
	plane, err := s.w.EKS.ControlPlane(ctx)
	if err != nil {
		return plan, err
	}
	if plane.Version != version {
		plan.Changes = append(plan.Changes, engine.Change{Action: engine.ActionReplace, Object: "cluster"})
	}
	groups, err := s.w.EKS.NodeGroups(ctx)
	names := []string{}
	for _, group := range groups {
		names = append(names, group.Name)
		if group.Version != version || group.InstanceTypes[0] != types[group.Title] {
			plan.Changes = append(plan.Changes, engine.Change{Action: engine.ActionReplace, Object: group.Title})
		}
	}
	if fmt.Sprint(names) != fmt.Sprint(*s.known) {
		plan.Changes = append(plan.Changes, engine.Change{Action: engine.ActionUpdate, Object: "its state"})
	}
	return plan, err
}

func (s terraform) Apply(ctx context.Context, _ engine.Reporter) error {
	groups, err := s.w.EKS.NodeGroups(ctx)
	*s.known = nil
	for _, group := range groups {
		*s.known = append(*s.known, group.Name)
	}
	return err
}

func (terraform) Check(context.Context) (engine.Health, error) { return engine.Health{}, nil }
func (terraform) Destroy(context.Context, engine.Reporter) error {
	return errors.New("nobody asks for that")
}

func start(t *testing.T) *world {
	t.Helper()
	shared := cluster.Cluster(t)
	account := testaws.Run(t, testaws.EKS(shared.Endpoint, shared.CA), testaws.ExternalNodes(), testaws.EKSTakes(200*time.Millisecond))
	account.Setenv(t)
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	inside, err := kubernetes.NewForConfig(shared.AdminConfig())
	if err != nil {
		t.Fatal(err)
	}
	nodegroups.Run(t, nodegroups.Options{AWS: account.Endpoint, Kube: shared.AdminConfig(), EvictionTimeout: 3 * time.Second})
	session, err := awscloud.Open(t.Context(), awscloud.Options{Region: testaws.Region})
	if err != nil {
		t.Fatal(err)
	}
	admin := shared.AdminConfig()
	client, err := kube.Open(kube.Config{Host: shared.Endpoint, CA: shared.CA, ClientCert: admin.CertData, ClientKey: admin.KeyData})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		settings: &settings{version: "1.33", types: map[string]string{"application": "t3.small", "data": "t3.medium"}},
		aws:      eks.NewFromConfig(cfg), inside: inside, journal: filepath.Join(t.TempDir(), "journal.jsonl"),
	}
	var state []string
	w.Options = &upgrade.Options{
		Name: "dev", EKS: session.EKS(clusterName), Kubernetes: client, Settings: w.settings, Poll: 100 * time.Millisecond,
		Infra: func() (engine.Stage, error) { return terraform{w, &state}, nil },
		Place: func(context.Context, string, string, int) ([]capacity.Finding, error) { return nil, nil },
	}
	w.create(t)
	if err := (terraform{w, &state}).Apply(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return w
}

// create makes the cluster, its add-ons and its node groups.
func (w *world) create(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	_, err := w.aws.CreateCluster(ctx, &eks.CreateClusterInput{
		Name: aws.String(clusterName), Version: aws.String(w.settings.version), RoleArn: aws.String("arn:aws:iam::123456789012:role/eks"),
		ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: []string{"subnet-1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() (string, bool) {
		plane, err := w.EKS.ControlPlane(ctx)
		return fmt.Sprint(plane, err), err == nil && plane.State.Ready()
	})
	for _, addon := range []string{"kube-proxy", "vpc-cni"} {
		if _, err := w.aws.CreateAddon(ctx, &eks.CreateAddonInput{ClusterName: aws.String(clusterName), AddonName: aws.String(addon)}); err != nil {
			t.Fatal(err)
		}
	}
	for title, instance := range w.settings.types {
		_, err := w.aws.CreateNodegroup(ctx, &eks.CreateNodegroupInput{
			ClusterName: aws.String(clusterName), NodegroupName: aws.String(title + "-20261125201405123400000001"), InstanceTypes: []string{instance},
			Subnets: []string{"subnet-1"}, NodeRole: aws.String("arn:aws:iam::123456789012:role/node"),
			ScalingConfig: &types.NodegroupScalingConfig{MinSize: aws.Int32(1), DesiredSize: aws.Int32(2), MaxSize: aws.Int32(3)},
			Labels:        map[string]string{"group": title}, Tags: map[string]string{"Name": title, "Environment": "dev"},
			Taints: []types.Taint{{Key: aws.String("dedicated"), Value: aws.String(title), Effect: types.TaintEffectNoSchedule}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() (string, bool) {
		groups, err := w.EKS.NodeGroups(ctx)
		for _, group := range groups {
			if !group.State.Ready() {
				return fmt.Sprint(groups), false
			}
		}
		return fmt.Sprint(groups, err), err == nil
	})
}

// deploy puts a pod on each node of application, of which some may be missing.
func (w *world) deploy(t *testing.T, replicas, mayMiss int) {
	t.Helper()
	labels := map[string]string{"app": "ingestion"}
	missing := intstr.FromInt(mayMiss)
	_, err := w.inside.AppsV1().Deployments("default").Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "ingestion"},
		Spec: appsv1.DeploymentSpec{
			Replicas: aws.Int32(int32(replicas)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					NodeSelector: map[string]string{"group": "application"},
					Tolerations:  []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpExists}},
					Containers: []corev1.Container{{Name: "ingestion", Image: "registry.example/ingestion:1", Resources: corev1.ResourceRequirements{
						Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("800Mi")}, // one on a t3.small
					}}},
				},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background() // the test's own has ended
		_ = w.inside.AppsV1().Deployments("default").Delete(ctx, "ingestion", metav1.DeleteOptions{})
		_ = w.inside.PolicyV1().PodDisruptionBudgets("default").Delete(ctx, "ingestion", metav1.DeleteOptions{})
	})
	_, err = w.inside.PolicyV1().PodDisruptionBudgets("default").Create(t.Context(), &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "ingestion"},
		Spec:       policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &missing, Selector: &metav1.LabelSelector{MatchLabels: labels}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() (string, bool) {
		budget, err := w.inside.PolicyV1().PodDisruptionBudgets("default").Get(t.Context(), "ingestion", metav1.GetOptions{})
		return fmt.Sprint(budget.Status, err), err == nil && int(budget.Status.CurrentHealthy) == replicas
	})
}

// available watches how many of the pods are ready until it is called again.
func (w *world) available(t *testing.T) (least func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan int)
	go func() {
		least := 1 << 10
		for ctx.Err() == nil {
			if found, err := w.inside.AppsV1().Deployments("default").Get(ctx, "ingestion", metav1.GetOptions{}); err == nil {
				least = min(least, int(found.Status.ReadyReplicas))
			}
			time.Sleep(20 * time.Millisecond)
		}
		result <- least
	}()
	return func() int { cancel(); return <-result }
}

// walk does the stages as gmctl does, with the journal of the runs before.
func (w *world) walk(ctx context.Context, t *testing.T, graph *engine.Graph, sink engine.Sink) (*engine.Result, error) {
	t.Helper()
	journal, err := engine.OpenJournal(w.journal)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	return engine.New(engine.Options{Env: "dev", Command: "gmctl upgrade", Graph: graph, Journal: journal, Sink: sink}).Up(ctx, engine.Selection{})
}

// upgraded checks that all is at a version.
func (w *world) upgraded(t *testing.T, version string) {
	t.Helper()
	plane, err := w.EKS.ControlPlane(t.Context())
	if err != nil || plane.Version != version || w.settings.version != version {
		t.Errorf("the control plane is at %v, gmctl.yaml says %s: %v", plane, w.settings.version, err)
	}
	addons, err := w.EKS.Addons(t.Context())
	if err != nil || len(addons) != 2 || addons[0].Version != "v"+version+".0-eksbuild.2" {
		t.Errorf("add-ons: %v, %v", addons, err)
	}
	nodes, err := w.Kubernetes.Nodes(t.Context())
	if err != nil || len(nodes) != 4 {
		t.Errorf("%d nodes: %v", len(nodes), err)
	}
	for _, node := range nodes {
		if node.Version != "v"+version+".0-eks-3abbec1" || !node.Ready || node.Cordoned {
			t.Errorf("%+v", node)
		}
	}
}

// eventually polls until check holds; it fails with what check saw last.
func eventually(t *testing.T, check func() (saw string, holds bool)) {
	t.Helper()
	const patience = 60 * time.Second
	var saw string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		var holds bool
		if saw, holds = check(); holds {
			return
		}
	}
	t.Fatalf("after %s: %s", patience, saw)
}
