//go:build unix

package nodegroups_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
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

	testaws "github.com/gamemetrics/gmctl/internal/testenv/aws"
	testkube "github.com/gamemetrics/gmctl/internal/testenv/kube"
	"github.com/gamemetrics/gmctl/internal/testenv/nodegroups"
)

var cluster testkube.Shared

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

const (
	clusterName = "gamemetrics-dev"
	groupName   = "application"
)

// world is an account with a cluster, whose node groups become nodes.
type world struct {
	eks  *eks.Client
	kube *kubernetes.Clientset
}

func start(t *testing.T) world {
	t.Helper()
	shared := cluster.Cluster(t)
	account := testaws.Run(t, testaws.EKS(shared.Endpoint, shared.CA), testaws.ExternalNodes(), testaws.EKSTakes(100*time.Millisecond))
	account.Setenv(t)
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kube, err := kubernetes.NewForConfig(shared.AdminConfig())
	if err != nil {
		t.Fatal(err)
	}
	nodegroups.Run(t, nodegroups.Options{AWS: account.Endpoint, Kube: shared.AdminConfig(), EvictionTimeout: 2 * time.Second})
	w := world{eks.NewFromConfig(cfg), kube}
	_, err = w.eks.CreateCluster(t.Context(), &eks.CreateClusterInput{
		Name: aws.String(clusterName), Version: aws.String("1.34"), RoleArn: aws.String("arn:aws:iam::123456789012:role/eks"),
		ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: []string{"subnet-1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() (string, bool) {
		described, err := w.eks.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String(clusterName)})
		return fmt.Sprint(described, err), err == nil && described.Cluster.Status == types.ClusterStatusActive
	})
	return w
}

// group creates a node group and waits for it.
func (w world) group(t *testing.T, size int32) {
	t.Helper()
	_, err := w.eks.CreateNodegroup(t.Context(), &eks.CreateNodegroupInput{
		ClusterName: aws.String(clusterName), NodegroupName: aws.String(groupName), InstanceTypes: []string{"t3.small"},
		Subnets: []string{"subnet-1"}, NodeRole: aws.String("arn:aws:iam::123456789012:role/node"),
		ScalingConfig: &types.NodegroupScalingConfig{MinSize: aws.Int32(1), DesiredSize: aws.Int32(size), MaxSize: aws.Int32(5)},
		Labels:        map[string]string{"tier": "application"},
		Taints:        []types.Taint{{Key: aws.String("dedicated"), Value: aws.String("application"), Effect: types.TaintEffectNoSchedule}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.awaitGroup(t)
}

func (w world) describe(t *testing.T) *types.Nodegroup {
	t.Helper()
	described, err := w.eks.DescribeNodegroup(t.Context(), &eks.DescribeNodegroupInput{ClusterName: aws.String(clusterName), NodegroupName: aws.String(groupName)})
	if err != nil {
		t.Fatal(err)
	}
	return described.Nodegroup
}

func (w world) awaitGroup(t *testing.T) {
	t.Helper()
	eventually(t, func() (string, bool) {
		group := w.describe(t)
		return fmt.Sprint(group.Status, group.Health), group.Status == types.NodegroupStatusActive
	})
}

func (w world) nodes(t *testing.T) []corev1.Node {
	t.Helper()
	nodes, err := w.kube.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return nodes.Items
}

// upgrade moves cluster and group to 1.35 and returns the group's update when it
// has ended.
func (w world) upgrade(t *testing.T, force bool) *types.Update {
	t.Helper()
	described, err := w.eks.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String(clusterName)})
	if err != nil {
		t.Fatal(err)
	}
	if *described.Cluster.Version != "1.35" {
		update, err := w.eks.UpdateClusterVersion(t.Context(), &eks.UpdateClusterVersionInput{Name: aws.String(clusterName), Version: aws.String("1.35")})
		if err != nil {
			t.Fatal(err)
		}
		w.awaitUpdate(t, update.Update.Id, nil)
	}
	update, err := w.eks.UpdateNodegroupVersion(t.Context(), &eks.UpdateNodegroupVersionInput{
		ClusterName: aws.String(clusterName), NodegroupName: aws.String(groupName), Version: aws.String("1.35"), Force: force,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w.awaitUpdate(t, update.Update.Id, aws.String(groupName))
}

func (w world) awaitUpdate(t *testing.T, id, group *string) *types.Update {
	t.Helper()
	var update *types.Update
	eventually(t, func() (string, bool) {
		described, err := w.eks.DescribeUpdate(t.Context(), &eks.DescribeUpdateInput{Name: aws.String(clusterName), NodegroupName: group, UpdateId: id})
		if err != nil {
			t.Fatal(err)
		}
		update = described.Update
		return string(update.Status), update.Status != types.UpdateStatusInProgress
	})
	return update
}

// deploy runs pods that fit the group, of which so many must be left.
func (w world) deploy(t *testing.T, replicas int32, available int) {
	t.Helper()
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "ingestion"}}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "ingestion"},
		Spec: appsv1.DeploymentSpec{Replicas: &replicas, Selector: selector, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: selector.MatchLabels},
			Spec: corev1.PodSpec{
				Tolerations:  []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpExists}},
				NodeSelector: map[string]string{"tier": "application"},
				Containers: []corev1.Container{{Name: "ingestion", Image: "registry.example/ingestion:1", Resources: corev1.ResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("500Mi")},
				}}},
			},
		}},
	}
	if _, err := w.kube.AppsV1().Deployments("default").Create(t.Context(), deployment, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	least := intstr.FromInt(available)
	budget := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "ingestion"},
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: &least, Selector: selector},
	}
	if _, err := w.kube.PolicyV1().PodDisruptionBudgets("default").Create(t.Context(), budget, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		if err := w.kube.PolicyV1().PodDisruptionBudgets("default").Delete(ctx, "ingestion", metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
		if err := w.kube.AppsV1().Deployments("default").Delete(ctx, "ingestion", metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	eventually(t, func() (string, bool) {
		found, err := w.kube.AppsV1().Deployments("default").Get(t.Context(), "ingestion", metav1.GetOptions{})
		return fmt.Sprint(found.Status, err), err == nil && found.Status.AvailableReplicas == replicas
	})
	eventually(t, func() (string, bool) {
		found, err := w.kube.PolicyV1().PodDisruptionBudgets("default").Get(t.Context(), "ingestion", metav1.GetOptions{})
		return fmt.Sprint(found.Status, err), err == nil && int(found.Status.CurrentHealthy) == int(replicas)
	})
}

func TestNodesFollowTheirGroup(t *testing.T) {
	w := start(t)
	described, err := w.eks.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String(clusterName)})
	if err != nil {
		t.Fatal(err)
	}
	ca := base64.StdEncoding.EncodeToString(cluster.Cluster(t).CA)
	if *described.Cluster.Endpoint != cluster.Cluster(t).Endpoint || *described.Cluster.CertificateAuthority.Data != ca {
		t.Errorf("the cluster is at %s", *described.Cluster.Endpoint)
	}
	w.group(t, 2)
	nodes := w.nodes(t)
	if len(nodes) != 2 {
		t.Fatalf("%d nodes", len(nodes))
	}
	node := nodes[0]
	if memory, pods := node.Status.Allocatable.Memory().Value(), node.Status.Allocatable.Pods().Value(); memory != 1444<<20 || pods != 11 {
		t.Errorf("a t3.small has %d bytes and %d pods", memory, pods)
	}
	if got := node.Status.NodeInfo.KubeletVersion; got != "v1.34.0-eks-3abbec1" {
		t.Errorf("its kubelet is %s", got)
	}
	for label, want := range map[string]string{"eks.amazonaws.com/nodegroup": groupName, "tier": "application", "node.kubernetes.io/instance-type": "t3.small"} {
		if node.Labels[label] != want {
			t.Errorf("its label %s is %q", label, node.Labels[label])
		}
	}
	if len(node.Spec.Taints) != 1 || node.Spec.Taints[0].Key != "dedicated" {
		t.Errorf("its taints are %v", node.Spec.Taints)
	}

	w.scale(t, 3)
	if got := len(w.nodes(t)); got != 3 {
		t.Errorf("%d nodes, not 3", got)
	}
	w.deploy(t, 4, 3)
	w.scale(t, 2) // the pods of the third move
	if got := len(w.nodes(t)); got != 2 {
		t.Errorf("%d nodes, not 2", got)
	}

	if _, err := w.eks.DeleteNodegroup(t.Context(), &eks.DeleteNodegroupInput{ClusterName: aws.String(clusterName), NodegroupName: aws.String(groupName)}); err != nil {
		t.Fatal(err)
	}
	if got := w.describe(t).Status; got != types.NodegroupStatusDeleting {
		t.Errorf("the group that is being deleted is %s", got)
	}
	eventually(t, func() (string, bool) {
		left, err := w.eks.ListNodegroups(t.Context(), &eks.ListNodegroupsInput{ClusterName: aws.String(clusterName)})
		return fmt.Sprint(left, err), err == nil && len(left.Nodegroups) == 0
	})
	if got := len(w.nodes(t)); got != 0 {
		t.Errorf("%d nodes are left", got)
	}
}

// scale changes the size of the group and its labels.
func (w world) scale(t *testing.T, size int32) {
	t.Helper()
	update, err := w.eks.UpdateNodegroupConfig(t.Context(), &eks.UpdateNodegroupConfigInput{
		ClusterName: aws.String(clusterName), NodegroupName: aws.String(groupName),
		ScalingConfig: &types.NodegroupScalingConfig{MinSize: aws.Int32(1), DesiredSize: aws.Int32(size), MaxSize: aws.Int32(5)},
		Labels:        &types.UpdateLabelsPayload{AddOrUpdateLabels: map[string]string{"size": fmt.Sprint(size)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if ended := w.awaitUpdate(t, update.Update.Id, aws.String(groupName)); ended.Status != types.UpdateStatusSuccessful {
		t.Fatalf("%+v", ended)
	}
	for _, node := range w.nodes(t) {
		if node.Labels["size"] != fmt.Sprint(size) {
			t.Errorf("%s is labelled %v", node.Name, node.Labels)
		}
	}
}

func TestVersionUpdateReplacesEveryNode(t *testing.T) {
	w := start(t)
	w.group(t, 2)
	before := w.nodes(t)
	w.deploy(t, 2, 1)
	if ended := w.upgrade(t, false); ended.Status != types.UpdateStatusSuccessful {
		t.Fatalf("%+v", ended)
	}
	if got := *w.describe(t).Version; got != "1.35" {
		t.Errorf("the group is of %s", got)
	}
	after := w.nodes(t)
	if len(after) != len(before) {
		t.Errorf("%d nodes, not %d", len(after), len(before))
	}
	for _, node := range after {
		if node.Status.NodeInfo.KubeletVersion != "v1.35.0-eks-3abbec1" || node.Name == before[0].Name || node.Name == before[1].Name {
			t.Errorf("%s is of %s", node.Name, node.Status.NodeInfo.KubeletVersion)
		}
	}
	eventually(t, func() (string, bool) {
		found, err := w.kube.AppsV1().Deployments("default").Get(t.Context(), "ingestion", metav1.GetOptions{})
		return fmt.Sprint(found.Status, err), err == nil && found.Status.AvailableReplicas == 2
	})
}

func TestBudgetThatDoesNotLetGoFailsTheUpdateUnlessForced(t *testing.T) {
	w := start(t)
	w.group(t, 1)
	w.deploy(t, 1, 1)
	before := w.nodes(t)[0].Name
	ended := w.upgrade(t, false)
	if ended.Status != types.UpdateStatusFailed || len(ended.Errors) != 1 || ended.Errors[0].ErrorCode != types.ErrorCodePodEvictionFailure {
		t.Fatalf("%+v", ended)
	}
	if got := ended.Errors[0].ResourceIds; len(got) != 1 || got[0] != before {
		t.Errorf("the error names %v", got)
	}
	if nodes := w.nodes(t); len(nodes) != 1 || nodes[0].Name != before || nodes[0].Spec.Unschedulable {
		t.Errorf("after the update that failed: %d nodes, %s", len(nodes), nodes[0].Name)
	}
	if got := *w.describe(t).Version; got != "1.34" {
		t.Errorf("the group is of %s", got)
	}
	if forced := w.upgrade(t, true); forced.Status != types.UpdateStatusSuccessful {
		t.Fatalf("%+v", forced)
	}
	if nodes := w.nodes(t); len(nodes) != 1 || nodes[0].Name == before {
		t.Errorf("after the forced update: %d nodes, %s", len(nodes), nodes[0].Name)
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
