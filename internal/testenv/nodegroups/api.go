//go:build unix

package nodegroups

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	testaws "github.com/gamemetrics/gmctl/internal/testenv/aws"
)

// The kinds of work that a group can wait for.
const (
	createWork  = "create"
	configWork  = "config"
	versionWork = "version"
	deleteWork  = "delete"
)

// group is a node group as the emulator describes it.
type group struct {
	Name           string   `json:"nodegroupName"`
	Cluster        string   `json:"clusterName"`
	Status         string   `json:"status"`
	Version        string   `json:"version"`        // of Kubernetes, as 1.34
	ReleaseVersion string   `json:"releaseVersion"` // of the machine image
	CapacityType   string   `json:"capacityType"`
	InstanceTypes  []string `json:"instanceTypes"`
	Zones          []string `json:"zones"`
	ScalingConfig  struct {
		DesiredSize int `json:"desiredSize"`
	} `json:"scalingConfig"`
	Labels map[string]string `json:"labels"`
	Taints []struct {
		Key, Value, Effect string
	} `json:"taints"`
	Work *work `json:"work"` // nil: nothing is to be done
}

// work is what a group waits for.
type work struct {
	ID             string `json:"id"`
	Kind           string `json:"kind"`
	Version        string `json:"version"`        // of version work: the new one
	ReleaseVersion string `json:"releaseVersion"` // of version work
	Force          bool   `json:"force"`          // of version work: pods that cannot be evicted are deleted
}

// failure is why work failed, for an update and for a group's health.
type failure struct {
	Code      string   `json:"errorCode"`
	Message   string   `json:"errorMessage"`
	Resources []string `json:"resourceIds"`

	HealthCode    string `json:"code"`
	HealthMessage string `json:"message"`
}

// Error makes a failure an error of the work itself, not of the controller.
func (f *failure) Error() string { return f.Code + ": " + f.Message }

func failed(code, message string, resources ...string) *failure {
	return &failure{Code: code, Message: message, Resources: resources, HealthCode: code, HealthMessage: message}
}

// groups lists the node groups of the account.
func (c *Controller) groups(ctx context.Context) ([]group, error) {
	var answer struct{ Groups []group }
	err := c.call(ctx, http.MethodGet, "", nil, &answer)
	return answer.Groups, err
}

// report says that work is done, or why it failed.
func (c *Controller) report(ctx context.Context, g group, why *failure) error {
	body := struct {
		Work   string     `json:"work"`
		Errors []*failure `json:"errors"`
	}{Work: g.Work.ID}
	if why != nil {
		body.Errors = []*failure{why}
	}
	return c.call(ctx, http.MethodPost, "/"+g.Cluster+"/"+g.Name, body, nil)
}

// call uses the emulator's control path.
func (c *Controller) call(ctx context.Context, method, path string, body, answer any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, c.endpoint+"/_emulator/nodegroups"+path, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	// the emulator reads service, account and region here, and verifies nothing
	request.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20260101/%s/eks/aws4_request, SignedHeaders=host, Signature=none",
		testaws.AccountID, testaws.Region))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, request.URL.Path, response.Status, content)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(content, answer)
}
