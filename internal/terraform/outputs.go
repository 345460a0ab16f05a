package terraform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Outputs are what the environments of the folder terraform give the stages.
type Outputs struct {
	Environment  Environment       `json:"environment"`
	Network      Network           `json:"network"`
	Cluster      Cluster           `json:"cluster"`
	Database     Database          `json:"database"`
	Redis        Redis             `json:"redis"`
	Secrets      Secrets           `json:"secrets"`
	Buckets      map[string]Bucket `json:"buckets"`      // by purpose: logs, backups, artifacts, velero
	Repositories map[string]string `json:"repositories"` // URL by name: gmctl
	Roles        map[string]string `json:"roles"`        // ARN by what takes it: cluster-autoscaler, ebs-csi, secrets, velero
}

// Environment is which environment it is, and where.
type Environment struct {
	Name      string `json:"name"` // prefix of every resource
	ID        string `json:"id"`
	AccountID string `json:"account_id"`
	Region    string `json:"region"`
}

// Network is the VPC.
type Network struct {
	VPC               string   `json:"vpc_id"`
	AvailabilityZones []string `json:"availability_zones"`
	PrivateSubnets    []string `json:"private_subnet_ids"`
	PublicSubnets     []string `json:"public_subnet_ids"`
	NATAddresses      []string `json:"nat_addresses"`
}

// Cluster is the EKS cluster.
type Cluster struct {
	Name                 string               `json:"name"`
	ARN                  string               `json:"arn"`
	Version              string               `json:"version"`
	Endpoint             string               `json:"endpoint"`
	CertificateAuthority string               `json:"certificate_authority"` // PEM in base64
	SecurityGroup        string               `json:"security_group_id"`
	OIDCProvider         string               `json:"oidc_provider_arn"`
	NodeRole             string               `json:"node_role_arn"`
	NodeGroups           map[string]NodeGroup `json:"node_groups"`
}

// NodeGroup is one of the cluster's.
type NodeGroup struct {
	InstanceTypes []string `json:"instance_types"`
	MinSize       int      `json:"min_size"`
	MaxSize       int      `json:"max_size"`
}

// Database is the PostgreSQL instance.
type Database struct {
	Identifier         string `json:"identifier"`
	Address            string `json:"address"`
	Port               int    `json:"port"`
	Name               string `json:"database"`
	MasterSecret       string `json:"master_secret_arn"` // holds {"username", "password"}
	DeletionProtection bool   `json:"deletion_protection"`
}

// Redis is the replication group.
type Redis struct {
	ID         string `json:"id"`
	Address    string `json:"address"` // of the primary
	Port       int    `json:"port"`
	AuthSecret string `json:"auth_secret_arn"` // holds {"token"}
}

// Secrets are those of the users that the services log in as; each holds
// {"username", "password"}.
type Secrets struct {
	Database string `json:"database"` // ARN
	Kafka    string `json:"kafka"`    // ARN
}

// Bucket is an S3 bucket.
type Bucket struct {
	Name string `json:"name"`
	ARN  string `json:"arn"`
}

// ErrNothingThere is that the state holds no outputs: nothing was applied, or
// all was destroyed.
var ErrNothingThere = errors.New("the environment is not there")

// Outputs returns what the last apply gave, or ErrNothingThere. An output that
// is missing or empty is an error that names it.
func (w *Workspace) Outputs(ctx context.Context) (*Outputs, error) {
	if err := w.Init(ctx); err != nil {
		return nil, err
	}
	runner, err := w.terraform()
	if err != nil {
		return nil, err
	}
	found, err := runner.Output(ctx)
	if err != nil {
		return nil, w.explain(ctx, "the outputs of Terraform cannot be read", err, nil)
	}
	if len(found) == 0 {
		return nil, ErrNothingThere
	}
	values := make(map[string]json.RawMessage, len(found))
	for name, output := range found {
		values[name] = output.Value
	}
	return decodeOutputs(values)
}

// ReadOutputs returns the outputs in a state as Terraform writes it, or
// ErrNothingThere. It starts no terraform, so that a status is quick and may run
// beside an apply.
func ReadOutputs(state []byte) (*Outputs, error) {
	var content struct {
		Version int `json:"version"`
		Outputs map[string]struct {
			Value json.RawMessage `json:"value"`
		} `json:"outputs"`
	}
	if err := json.Unmarshal(state, &content); err != nil || content.Version != stateVersion {
		return nil, &problem.Error{
			What: "the Terraform state cannot be read", Cause: errors.Join(err, fmt.Errorf("it has version %d, not %d", content.Version, stateVersion)),
			Next: "use the gmctl that wrote it, or a newer one",
		}
	}
	if len(content.Outputs) == 0 {
		return nil, ErrNothingThere
	}
	values := make(map[string]json.RawMessage, len(content.Outputs))
	for name, output := range content.Outputs {
		values[name] = output.Value
	}
	return decodeOutputs(values)
}

// stateVersion is the version of the state's format, since Terraform 0.12.
const stateVersion = 4

func decodeOutputs(values map[string]json.RawMessage) (*Outputs, error) {
	text, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	var outputs Outputs
	if err := json.Unmarshal(text, &outputs); err != nil {
		return nil, incomplete(err)
	}
	if missing := emptyFields("", reflect.ValueOf(outputs)); len(missing) > 0 {
		return nil, incomplete(errors.New(strings.Join(missing, ", ")))
	}
	return &outputs, nil
}

// ErrIncomplete is that an apply did not come to its end, or that an earlier gmctl
// made it: not all outputs are there.
var ErrIncomplete = errors.New("outputs are missing")

func incomplete(err error) error {
	return &problem.Error{
		What: "Terraform did not give all outputs that the stages need", Cause: fmt.Errorf("%w: %w", ErrIncomplete, err),
		Next: "apply what is missing: gmctl up --only infra",
	}
}

// emptyFields names the outputs below path that hold nothing, as Terraform
// writes them. A false is a value.
func emptyFields(path string, value reflect.Value) []string {
	switch value.Kind() {
	case reflect.Struct:
		var missing []string
		for field, nested := range value.Fields() {
			missing = append(missing, emptyFields(strings.TrimPrefix(path+"."+field.Tag.Get("json"), "."), nested)...)
		}
		return missing
	case reflect.Map:
		var missing []string
		for _, key := range value.MapKeys() {
			missing = append(missing, emptyFields(path+"."+key.String(), value.MapIndex(key))...)
		}
		if value.Len() > 0 {
			return missing
		}
	case reflect.Bool:
		return nil
	case reflect.Int: // the smallest size of a node group may be 0
		if value.Int() > 0 || strings.HasSuffix(path, "_size") {
			return nil
		}
	default:
		if value.Len() > 0 {
			return nil
		}
	}
	return []string{path}
}
