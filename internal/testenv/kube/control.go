//go:build unix

package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/gamemetrics/gmctl/internal/testenv"
	"github.com/gamemetrics/gmctl/internal/testenv/certificate"
	"github.com/gamemetrics/gmctl/internal/testenv/process"
)

// The identities of those who talk to the API server; each has a kubeconfig of
// that name.
const (
	adminUser             = "admin"
	schedulerUser         = "system:kube-scheduler"
	controllerManagerUser = "system:kube-controller-manager"
	masters               = "system:masters"
)

// ports are those of the loopback interface that the programs listen on.
type ports struct {
	etcd, etcdPeer, api, kubelet int
}

func choosePorts() (ports, error) {
	var chosen ports
	taken := map[int]bool{}
	for _, port := range []*int{&chosen.etcd, &chosen.etcdPeer, &chosen.api, &chosen.kubelet} {
		for *port == 0 || taken[*port] {
			var err error
			if *port, err = testenv.FreePort(); err != nil {
				return ports{}, err
			}
		}
		taken[*port] = true
	}
	return chosen, nil
}

func (c *Cluster) file(name string) string { return filepath.Join(c.dir, name) }

// prepare writes keys, certificates and kubeconfigs.
func (c *Cluster) prepare() error {
	ca, err := certificate.NewAuthority("kubernetes")
	if err != nil {
		return err
	}
	c.CA = ca.PEM
	if err := os.WriteFile(c.file("ca.crt"), ca.PEM, 0o600); err != nil {
		return err
	}
	if c.admin, err = issue(ca, adminUser, masters); err != nil {
		return err
	}
	server, err := issue(ca, "kube-apiserver")
	if err != nil {
		return err
	}
	if err := server.WriteFiles(c.file("apiserver.crt"), c.file("apiserver.key")); err != nil {
		return err
	}
	identities := map[string]certificate.Pair{adminUser: c.admin}
	for _, user := range []string{schedulerUser, controllerManagerUser} {
		if identities[user], err = issue(ca, user); err != nil {
			return err
		}
	}
	for user, id := range identities {
		if err := c.writeKubeconfig(user, id); err != nil {
			return err
		}
	}
	if err := c.webhook.writeKubeconfig(c.file("webhook.kubeconfig")); err != nil {
		return err
	}
	return writeServiceAccountKey(c.file("service-account.key"))
}

func (c *Cluster) kubeconfig(user string) string { return c.file(user + ".kubeconfig") }

func (c *Cluster) writeKubeconfig(user string, id certificate.Pair) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["test"] = &clientcmdapi.Cluster{Server: c.Endpoint, CertificateAuthorityData: c.CA}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: id.Certificate, ClientKeyData: id.Key}
	config.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: user}
	config.CurrentContext = "test"
	return clientcmd.WriteToFile(*config, c.kubeconfig(user))
}

// run starts a program of the cluster.
func (c *Cluster) run(name string, args ...string) error {
	cmd := exec.Command(c.binaries.path(name), args...)
	cmd.Dir = c.dir
	started, err := process.Start(cmd, c.file(name+".log"))
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	c.processes = append(c.processes, named{name, started})
	return nil
}

func (c *Cluster) startEtcd() error {
	client, peer := loopback(c.ports.etcd), loopback(c.ports.etcdPeer)
	return c.run("etcd",
		"--data-dir", c.file("etcd"), "--unsafe-no-fsync", "--log-level", "warn", "--auto-compaction-retention", "1h",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
}

func (c *Cluster) startAPIServer() error {
	return c.run("kube-apiserver",
		"--etcd-servers", loopback(c.ports.etcd),
		"--bind-address", "127.0.0.1", "--secure-port", strconv.Itoa(c.ports.api),
		// nobody reaches the API server by its Service, and loopback is not allowed behind one
		"--endpoint-reconciler-type", "none",
		"--tls-cert-file", c.file("apiserver.crt"), "--tls-private-key-file", c.file("apiserver.key"),
		"--client-ca-file", c.file("ca.crt"), "--authorization-mode", "RBAC", "--allow-privileged",
		"--service-cluster-ip-range", serviceRange,
		"--service-account-issuer", "https://kubernetes.default.svc",
		"--service-account-key-file", c.file("service-account.key"),
		"--service-account-signing-key-file", c.file("service-account.key"),
		"--authentication-token-webhook-config-file", c.file("webhook.kubeconfig"),
		"--authentication-token-webhook-version", "v1",
		// a short time: a test changes whose tokens are accepted
		"--authentication-token-webhook-cache-ttl", "1s",
		"--kubelet-preferred-address-types", "InternalIP",
		"--kubelet-client-certificate", c.file("apiserver.crt"), "--kubelet-client-key", c.file("apiserver.key"))
}

func (c *Cluster) startScheduler() error {
	kubeconfig := c.kubeconfig(schedulerUser)
	return c.run("kube-scheduler",
		"--kubeconfig", kubeconfig, "--authentication-kubeconfig", kubeconfig, "--authorization-kubeconfig", kubeconfig,
		"--leader-elect=false", "--secure-port", "0")
}

func (c *Cluster) startControllerManager() error {
	kubeconfig := c.kubeconfig(controllerManagerUser)
	return c.run("kube-controller-manager",
		"--kubeconfig", kubeconfig, "--authentication-kubeconfig", kubeconfig, "--authorization-kubeconfig", kubeconfig,
		"--leader-elect=false", "--secure-port", "0", "--use-service-account-credentials",
		"--pvclaimbinder-sync-period", "1s", // a claim that is seen before its volume waits for it
		"--service-account-private-key-file", c.file("service-account.key"), "--root-ca-file", c.file("ca.crt"))
}

func loopback(port int) string { return "http://127.0.0.1:" + strconv.Itoa(port) }

// awaitAPI returns when the API server has done its own setup: the built-in
// roles and priority classes are there.
func (c *Cluster) awaitAPI(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(c.AdminConfig())
	if err != nil {
		return err
	}
	return c.await(ctx, "the API server", func() error {
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}

// awaitServiceAccount returns when the controller manager works: without its
// namespace's service account no pod is taken.
func (c *Cluster) awaitServiceAccount(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(c.AdminConfig())
	if err != nil {
		return err
	}
	return c.await(ctx, "the controller manager", func() error {
		_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return errors.New("it has not made the default service account")
		}
		return err
	})
}

// await polls until check succeeds, a program ends or the time is up.
func (c *Cluster) await(ctx context.Context, what string, check func() error) error {
	for {
		err := check()
		if err == nil {
			return nil
		}
		if ended := c.ended(); ended != nil {
			return ended
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not become ready: %w: %w\n%s", what, ctx.Err(), err, c.Logs())
		case <-time.After(25 * time.Millisecond):
		}
	}
}
