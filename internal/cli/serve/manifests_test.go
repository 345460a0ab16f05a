package serve_test

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/serve"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/manifests"
	"github.com/gamemetrics/gmctl/k8s"
)

// The manifests call the services by commands that there are, and configure them
// by variables that these read.
func TestManifestsSayWhatServicesRead(t *testing.T) {
	objects, err := manifests.Render(t.Context(), k8s.Tree, "overlays/dev/apps", manifests.StandIn())
	if err != nil {
		t.Fatal(err)
	}
	called := 0
	for _, object := range objects {
		var job batch.Job // a Deployment has its pods in the same place
		if kind := object.GetKind(); kind != "Job" && kind != "Deployment" || object.GetNamespace() != "gamemetrics" {
			continue
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &job); err != nil {
			t.Fatal(err)
		}
		for _, container := range job.Spec.Template.Spec.Containers {
			called++
			check(t, container)
		}
	}
	if called != 3 {
		t.Errorf("the manifests have %d containers of our image, want those of schema, ingestion and relay", called)
	}
}

func check(t *testing.T, container core.Container) {
	t.Helper()
	if len(container.Args) < 2 || container.Args[0] != "serve" {
		t.Errorf("%s is called with %q", container.Name, container.Args)
		return
	}
	streams, _, _, _ := iostreams.Test()
	service, rest, err := serve.NewCommand(factory.New(streams)).Find(container.Args[1:])
	if err != nil || service.Name() != container.Args[1] {
		t.Errorf("%s is called with %q: %v", container.Name, container.Args, err)
		return
	}
	if err := service.ParseFlags(rest); err != nil {
		t.Errorf("%s is called with %q: %v", container.Name, container.Args, err)
	}
	for _, variable := range container.Env {
		if !strings.Contains(help(service), variable.Name) {
			t.Errorf("gmctl serve %s is given %s and does not know it", service.Name(), variable.Name)
		}
	}
	platform := map[string]bool{"GMCTL_DATABASE_URL": true, "GMCTL_LOG_FORMAT": true, "GMCTL_LOG_LEVEL": true, "GMCTL_KAFKA_BROKERS": service.Name() == "relay"}
	for name, reads := range platform {
		if reads && !strings.Contains(help(service), name) {
			t.Errorf("gmctl serve %s does not know %s of the ConfigMap platform", service.Name(), name)
		}
	}
}

// help is what tells of a command's variables.
func help(cmd *cobra.Command) string { return cmd.Long + cmd.UsageString() }
