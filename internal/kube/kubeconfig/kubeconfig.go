// Package kubeconfig writes what kubectl and its kin read to reach a cluster.
package kubeconfig

import (
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Entry is a cluster, and the program that gives its users a token.
type Entry struct {
	Name    string // of cluster, user and context
	Server  string // https://host
	CA      []byte // PEM
	Command string // prints an ExecCredential
	Args    []string
	Env     map[string]string // for the command
}

// Render returns a kubeconfig that holds the entry alone.
func Render(entry Entry) ([]byte, error) {
	config := api.NewConfig()
	entry.putInto(config)
	return clientcmd.Write(*config)
}

// DefaultPath is the file that kubectl changes: the first of KUBECONFIG, else
// .kube/config in the home directory.
func DefaultPath() string { return clientcmd.NewDefaultPathOptions().GetDefaultFilename() }

// Merge puts the entry into the file at path, where an entry of its name is
// replaced and every other stays, and makes it the current context. The file is
// made if it is not there.
func Merge(path string, entry Entry) error {
	options := clientcmd.NewDefaultPathOptions()
	options.LoadingRules.ExplicitPath = path
	if _, err := os.Stat(path); os.IsNotExist(err) {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return notWritten(path, err)
		}
	}
	config, err := options.GetStartingConfig()
	if err != nil {
		return &problem.Error{What: "the kubeconfig " + path + " cannot be read", Cause: err, Next: "repair it, or name another file: --file FILE"}
	}
	entry.putInto(config)
	if err := clientcmd.ModifyConfig(options, *config, true); err != nil {
		return notWritten(path, err)
	}
	return nil
}

func notWritten(path string, err error) error {
	return &problem.Error{What: "the kubeconfig " + path + " cannot be written", Cause: err, Next: "check its permissions, or name another file: --file FILE"}
}

func (e Entry) putInto(config *api.Config) {
	config.Clusters[e.Name] = &api.Cluster{Server: e.Server, CertificateAuthorityData: e.CA}
	program := &api.ExecConfig{
		APIVersion: "client.authentication.k8s.io/v1", Command: e.Command, Args: e.Args,
		InteractiveMode: api.NeverExecInteractiveMode,
	}
	for name, value := range e.Env {
		program.Env = append(program.Env, api.ExecEnvVar{Name: name, Value: value})
	}
	config.AuthInfos[e.Name] = &api.AuthInfo{Exec: program}
	config.Contexts[e.Name] = &api.Context{Cluster: e.Name, AuthInfo: e.Name, Namespace: "gamemetrics"}
	config.CurrentContext = e.Name
}
