package environment

import (
	"context"
	"io"

	"github.com/gamemetrics/gmctl/internal/kube"
	"github.com/gamemetrics/gmctl/internal/local"
)

// Logs is where the logs of an environment's services are: files of this
// machine, or pods.
type Logs struct {
	Dir  string // of files, one a service, with older ones beside it
	Pods *PodLogs
}

// PodLogs are the logs of the pods in the namespaces of the platform's own
// services and of Kafka.
type PodLogs struct{ client *kube.Client }

// Containers lists the containers that may have a log.
func (l *PodLogs) Containers(ctx context.Context) ([]kube.Container, error) {
	var all []kube.Container
	for _, namespace := range []string{appsNamespace, kafkaNamespace} {
		found, err := l.client.Containers(ctx, namespace)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// OpenLog is that of the cluster's client.
func (l *PodLogs) OpenLog(ctx context.Context, of kube.Container, query kube.LogQuery) (io.ReadCloser, error) {
	return l.client.OpenLog(ctx, of, query)
}

// Logs says where the logs of the services are.
func (e *Environment) Logs(ctx context.Context) (Logs, error) { return e.platform.logs(ctx) }

func (p *localPlatform) logs(context.Context) (Logs, error) {
	return Logs{Dir: local.LogsDir(p.dirs)}, nil
}

func (p *awsPlatform) logs(ctx context.Context) (Logs, error) {
	client, err := p.kube(ctx)
	if err != nil {
		return Logs{}, p.notUp(err)
	}
	return Logs{Pods: &PodLogs{client}}, nil
}
