package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// ProviderAWS runs the platform on EKS, RDS and what else AWS manages.
const ProviderAWS Provider = "aws"

// AWS is the platform in one region of an AWS account.
type AWS struct {
	// Region is the AWS region, such as eu-central-1.
	Region string `json:"region,omitempty" check:"region"`
	// Profile of the shared AWS configuration. Empty: AWS_PROFILE, or whatever
	// credentials every AWS tool would find.
	Profile string `json:"profile,omitempty" check:"text"`
	// Project is the first part of every resource's name; the environment's name
	// is the second.
	Project string `json:"project,omitempty" check:"project"`
	// Template names what the defaults are made for: dev, or prod, which survives
	// the loss of a zone and protects its data from deletion.
	Template string `json:"template,omitempty" check:"template"`
	// Domain under which the platform will be reached from outside. Empty: it is
	// not, but for port-forwards.
	Domain string `json:"domain,omitempty" check:"domain"`
	// State says where Terraform keeps its state: s3, in a bucket that gmctl
	// makes, or local, on this machine alone.
	State string `json:"state,omitempty" check:"state"`
	// Manifests is a folder with the Kubernetes manifests, in place of the
	// built-in ones; a relative one is relative to this file.
	Manifests string `json:"manifests,omitempty" check:"path"`
	// Network is the VPC.
	Network AWSNetwork `json:"network,omitzero"`
	// Kubernetes is the EKS control plane.
	Kubernetes AWSKubernetes `json:"kubernetes,omitzero"`
	// NodeGroups by name. The platform has system, application and data; what is
	// left out of one has its default.
	NodeGroups map[string]NodeGroup `json:"nodeGroups,omitempty" keys:"nodeGroup"`
	// Database is the PostgreSQL instance.
	Database AWSDatabase `json:"database,omitzero"`
	// Redis is the replication group.
	Redis AWSRedis `json:"redis,omitzero"`
	// Image is gmctl's own container image.
	Image AWSImage `json:"image,omitzero"`
	// Tracing has ingestion and relay export OpenTelemetry traces.
	Tracing AWSTracing `json:"tracing,omitzero"`
	// LogRetentionDays is how long CloudWatch keeps the logs of control plane and database.
	LogRetentionDays int `json:"logRetentionDays,omitempty" check:"count"`
}

// AWSNetwork is the VPC.
type AWSNetwork struct {
	// CIDR is the address range, from a /16 to a /20.
	CIDR string `json:"cidr,omitempty" check:"cidr"`
	// AvailabilityZones is how many zones the platform spreads over: 2 or 3.
	AvailabilityZones int `json:"availabilityZones,omitempty" check:"zones"`
	// NAT gateways: single is cheaper, per-zone survives the loss of a zone.
	NAT string `json:"nat,omitempty" check:"nat"`
}

// AWSKubernetes is the EKS control plane.
type AWSKubernetes struct {
	// Version is Kubernetes' minor version; gmctl upgrade raises it.
	Version string `json:"version,omitempty" check:"kubernetesVersion"`
	// PublicAccess are the address ranges that reach the Kubernetes API from the internet.
	PublicAccess []string `json:"publicAccess,omitempty" check:"cidr"`
	// Administrators are ARNs of IAM roles and users that may do everything in
	// the cluster, besides the one that made it.
	Administrators []string `json:"administrators,omitempty" check:"arn"`
}

// NodeGroup is a group of equal nodes.
type NodeGroup struct {
	// InstanceType is the nodes' EC2 type.
	InstanceType string `json:"instanceType,omitempty" check:"instanceType"`
	// Min is the smallest number of nodes.
	Min int `json:"min,omitempty" check:"count"`
	// Desired is the number of nodes.
	Desired int `json:"desired,omitempty" check:"count"`
	// Max is the largest number of nodes.
	Max int `json:"max,omitempty" check:"count"`
	// DiskGiB is the size of a node's disk in GiB.
	DiskGiB int `json:"diskGiB,omitempty" check:"count"`
}

// AWSDatabase is the PostgreSQL instance.
type AWSDatabase struct {
	// Version is PostgreSQL's major version.
	Version string `json:"version,omitempty" check:"postgresVersion"`
	// InstanceClass is the RDS instance class.
	InstanceClass string `json:"instanceClass,omitempty" check:"instanceClass"`
	// StorageGiB is the size to begin with, in GiB.
	StorageGiB int `json:"storageGiB,omitempty" check:"count"`
	// MaxStorageGiB is what the storage may grow to by itself, in GiB.
	MaxStorageGiB int `json:"maxStorageGiB,omitempty" check:"count"`
	// MultiAZ has a standby in another zone.
	MultiAZ *bool `json:"multiAZ,omitempty"`
	// BackupDays is how many days a point in time can be restored; 0 turns backups off.
	BackupDays *int `json:"backupDays,omitempty" check:"days"`
	// DeletionProtection keeps teardown from the database unless it is given --unprotect.
	DeletionProtection *bool `json:"deletionProtection,omitempty"`
	// FinalSnapshot has teardown take a snapshot, which stays.
	FinalSnapshot *bool `json:"finalSnapshot,omitempty"`
}

// AWSRedis is the replication group.
type AWSRedis struct {
	// NodeType is the ElastiCache node type.
	NodeType string `json:"nodeType,omitempty" check:"cacheType"`
	// Nodes is how many there are; two or more fail over.
	Nodes int `json:"nodes,omitempty" check:"count"`
	// SnapshotDays is how long daily snapshots are kept; 0 takes none.
	SnapshotDays *int `json:"snapshotDays,omitempty" check:"days"`
}

// AWSImage is gmctl's own container image.
type AWSImage struct {
	// Source is what the image is made of: self, which is the gmctl that runs, a
	// folder with released Linux binaries (a relative one is relative to this
	// file), or a released image by its digest, as HOST/NAME@sha256:….
	Source string `json:"source,omitempty" check:"text"`
}

// AWSTracing is where traces go.
type AWSTracing struct {
	// Endpoint is the URL of a collector that takes OTLP over HTTP, as pods reach
	// it. Empty: there are no traces.
	Endpoint string `json:"endpoint,omitempty" check:"collector"`
	// Percent is how many requests are traced of those that come without a trace of
	// their client's; for the others the client has decided.
	Percent int `json:"percent,omitempty" check:"percent"`
}

// The values of AWS.Template, AWS.State, AWSNetwork.NAT and AWSImage.Source.
const (
	TemplateDev  = "dev"
	TemplateProd = "prod"
	StateS3      = "s3"
	StateLocal   = "local"
	NATSingle    = "single"
	NATPerZone   = "per-zone"
	ImageSelf    = "self"
)

// The node groups of the platform.
const (
	GroupSystem      = "system"
	GroupApplication = "application"
	GroupData        = "data"
)

// DefaultAWS returns the defaults of an environment made for template. It has no
// region: that is the user's to say.
func DefaultAWS(template string) AWS {
	if template == TemplateProd {
		return AWS{
			Project: "gamemetrics", Template: TemplateProd, State: StateS3,
			Network:    AWSNetwork{CIDR: "10.30.0.0/16", AvailabilityZones: 3, NAT: NATPerZone},
			Kubernetes: AWSKubernetes{Version: "1.35", PublicAccess: []string{"0.0.0.0/0"}},
			NodeGroups: map[string]NodeGroup{
				GroupSystem:      {InstanceType: "m7i.large", Min: 2, Desired: 2, Max: 4, DiskGiB: 50},
				GroupApplication: {InstanceType: "m7i.large", Min: 3, Desired: 3, Max: 12, DiskGiB: 50},
				GroupData:        {InstanceType: "r7i.large", Min: 3, Desired: 3, Max: 6, DiskGiB: 100},
			},
			Database: AWSDatabase{
				Version: "16", InstanceClass: "db.m7g.large", StorageGiB: 100, MaxStorageGiB: 1000,
				MultiAZ: new(true), BackupDays: new(30), DeletionProtection: new(true), FinalSnapshot: new(true),
			},
			Redis:            AWSRedis{NodeType: "cache.m7g.large", Nodes: 3, SnapshotDays: new(7)},
			Image:            AWSImage{Source: ImageSelf},
			Tracing:          AWSTracing{Percent: 1},
			LogRetentionDays: 90,
		}
	}
	return AWS{
		Project: "gamemetrics", Template: TemplateDev, State: StateS3,
		// A volume is of one zone: with a zone for each broker, a new node comes where the
		// broker's volume is.
		Network:    AWSNetwork{CIDR: "10.20.0.0/16", AvailabilityZones: 3, NAT: NATSingle},
		Kubernetes: AWSKubernetes{Version: "1.35", PublicAccess: []string{"0.0.0.0/0"}},
		NodeGroups: map[string]NodeGroup{
			GroupSystem:      {InstanceType: "t3.medium", Min: 2, Desired: 2, Max: 3, DiskGiB: 50},
			GroupApplication: {InstanceType: "t3.large", Min: 2, Desired: 2, Max: 4, DiskGiB: 50},
			GroupData:        {InstanceType: "t3.large", Min: 3, Desired: 3, Max: 4, DiskGiB: 50},
		},
		Database: AWSDatabase{
			Version: "16", InstanceClass: "db.t4g.small", StorageGiB: 20, MaxStorageGiB: 100,
			MultiAZ: new(false), BackupDays: new(7), DeletionProtection: new(false), FinalSnapshot: new(true),
		},
		Redis:            AWSRedis{NodeType: "cache.t4g.small", Nodes: 1, SnapshotDays: new(0)},
		Image:            AWSImage{Source: ImageSelf},
		Tracing:          AWSTracing{Percent: 10},
		LogRetentionDays: 14,
	}
}

// IsFolder reports whether the source is a folder.
func (i AWSImage) IsFolder() bool {
	return i.Source != "" && i.Source != ImageSelf && !strings.Contains(i.Source, "@sha256:")
}

// fill gives what the section leaves out its default. A node group that the
// platform has not is like application where it says nothing else.
func (a *AWS) fill() {
	defaults := DefaultAWS(a.Template)
	if a.NodeGroups == nil {
		a.NodeGroups = map[string]NodeGroup{}
	}
	for name, preset := range defaults.NodeGroups {
		if _, ok := a.NodeGroups[name]; !ok {
			a.NodeGroups[name] = preset
		}
	}
	for name, group := range a.NodeGroups {
		preset, ok := defaults.NodeGroups[name]
		if !ok {
			preset = defaults.NodeGroups[GroupApplication]
		}
		group.fill(preset)
		a.NodeGroups[name] = group
	}
	fillZero(reflect.ValueOf(a).Elem(), reflect.ValueOf(defaults))
}

// fill keeps min ≤ desired ≤ max where the user moved one of them.
func (g *NodeGroup) fill(preset NodeGroup) {
	given := *g
	fillZero(reflect.ValueOf(g).Elem(), reflect.ValueOf(preset))
	if given.Desired == 0 {
		g.Desired = max(g.Desired, given.Min)
		if given.Max > 0 {
			g.Desired = min(g.Desired, given.Max)
		}
	}
	if given.Min == 0 {
		g.Min = min(g.Min, g.Desired)
	}
	if given.Max == 0 {
		g.Max = max(g.Max, g.Desired)
	}
}

// refuse returns what is wrong with the section as a whole, as it was given, nil
// for nothing. env is the environment's name.
func (a *AWS) refuse(env string) *refusal {
	switch {
	case !regexp.MustCompile(`^[a-z][a-z0-9]{1,8}$`).MatchString(env):
		return &refusal{message: fmt.Sprintf("%q is too long or has a -: the name of an environment on AWS is 2 to 9 of a-z and 0-9, and begins with a letter", env)}
	case a.Region == "":
		return &refusal{message: "environments." + env + ".aws lacks region: add region: eu-central-1, or where your players are"}
	}
	for name, group := range a.NodeGroups {
		if given := group; given.Min > 0 && given.Max > 0 && given.Min > given.Max ||
			given.Desired > 0 && (given.Desired < given.Min || given.Max > 0 && given.Desired > given.Max) {
			return &refusal{message: fmt.Sprintf("environments.%s.aws.nodeGroups.%s needs min ≤ desired ≤ max", env, name)}
		}
	}
	return nil
}

// Pattern is a check that a regular expression makes.
type Pattern struct {
	Expression string
	Means      string // continues "must be"
}

// PatternOf returns the check called name, if it is one of these.
func PatternOf(name string) (Pattern, bool) {
	p, ok := map[string]Pattern{
		"text":              {`\S`, "text"},
		"region":            {`^[a-z]{2}(-[a-z]+)+-[0-9]$`, "an AWS region, such as eu-central-1"},
		"project":           {`^[a-z][a-z0-9]{1,11}$`, "2 to 12 of a-z and 0-9, beginning with a letter"},
		"domain":            {`^([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)+[a-z]{2,}$`, "a domain name, such as metrics.example.com"},
		"collector":         {`^https?://[^/?#@\s]+/?$`, "the URL of an OpenTelemetry collector, such as http://otel-collector.monitoring:4318"},
		"cidr":              {`^([0-9]{1,3}\.){3}[0-9]{1,3}/[0-9]{1,2}$`, "an IPv4 address range, such as 10.20.0.0/16"},
		"kubernetesVersion": {`^1\.[0-9]{2}$`, "a minor version of Kubernetes in quotes, such as \"1.35\""},
		"postgresVersion":   {`^1[5-9]$`, "a major version of PostgreSQL in quotes, from \"15\" on"},
		"arn":               {`^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+$`, "the ARN of an IAM role or user"},
		"instanceType":      {`^[a-z][a-z0-9-]*\.[a-z0-9-]+$`, "an EC2 instance type, such as t3.large"},
		"instanceClass":     {`^db\.[a-z0-9-]+\.[a-z0-9-]+$`, "an RDS instance class, such as db.t4g.small"},
		"cacheType":         {`^cache\.[a-z0-9-]+\.[a-z0-9-]+$`, "an ElastiCache node type, such as cache.t4g.small"},
		"nodeGroup":         {`^[a-z][a-z0-9-]{0,30}$`, "1 to 31 of a-z, 0-9 and -, beginning with a letter"},
	}[name]
	return p, ok
}

// Choices are what the check called name lets a value be, if it is one of these.
func Choices(name string) []string {
	return map[string][]string{
		"template": {TemplateDev, TemplateProd},
		"state":    {StateS3, StateLocal},
		"nat":      {NATSingle, NATPerZone},
	}[name]
}

// Limits are the bounds of a check of numbers, if it is one of these.
func Limits(name string) (low, high int, ok bool) {
	l, ok := map[string][2]int{
		"port":    {MinPort, MaxPort},
		"count":   {1, 65536},
		"days":    {0, 35},
		"percent": {1, 100},
		"zones":   {2, 3},
	}[name]
	return l[0], l[1], ok
}
