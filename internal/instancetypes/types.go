package instancetypes

import (
	"fmt"
	"slices"
)

// The architectures of instance types, as Kubernetes names them.
const (
	AMD64 = "amd64"
	ARM64 = "arm64"
)

// Type is an EC2 instance type.
type Type struct {
	Name      string
	Arch      string
	VCPU      int
	MemoryMiB int64 // as EC2 states it; the system sees less, see Capacity
	MaxPods   int   // of a managed node group with the VPC CNI, without prefix delegation
}

// size is what instance types of one size have in common in all families of a
// generation. Source: EC2's table of IP addresses per network interface.
type size struct {
	name                  string
	vcpu                  int
	interfaces, addresses int // network interfaces, and IPv4 addresses of each
}

// family is a row of instance types.
type family struct {
	name, arch string
	memoryMiB  int64 // per vCPU
	sizes      []size
}

// burstable is a T type, whose memory follows no rule.
type burstable struct {
	size
	memoryMiB int64
}

func burstables() []burstable {
	return []burstable{
		{size{"nano", 2, 2, 2}, 512},
		{size{"micro", 2, 2, 2}, 1024},
		{size{"small", 2, 3, 4}, 2048},
		{size{"medium", 2, 3, 6}, 4096},
		{size{"large", 2, 3, 12}, 8192},
		{size{"xlarge", 4, 4, 15}, 16384},
		{size{"2xlarge", 8, 4, 15}, 32768},
	}
}

func families() []family {
	small := []size{
		{"large", 2, 3, 10}, {"xlarge", 4, 4, 15}, {"2xlarge", 8, 4, 15}, {"4xlarge", 16, 8, 30},
	}
	middle := append(slices.Clone(small), size{"8xlarge", 32, 8, 30})
	whole := append(slices.Clone(middle), size{"12xlarge", 48, 8, 30}, size{"16xlarge", 64, 15, 50})
	graviton := append([]size{{"medium", 1, 2, 4}}, whole...)
	const compute, general, memory = 2048, 4096, 8192
	return []family{
		{"c5", AMD64, compute, small}, {"m5", AMD64, general, whole}, {"r5", AMD64, memory, whole},
		{"c6a", AMD64, compute, whole}, {"m6a", AMD64, general, whole}, {"r6a", AMD64, memory, whole},
		{"c6i", AMD64, compute, whole}, {"m6i", AMD64, general, whole}, {"r6i", AMD64, memory, whole},
		{"c7a", AMD64, compute, whole}, {"m7a", AMD64, general, whole}, {"r7a", AMD64, memory, whole},
		{"c7i", AMD64, compute, whole}, {"m7i", AMD64, general, whole}, {"r7i", AMD64, memory, whole},
		{"c7i-flex", AMD64, compute, middle}, {"m7i-flex", AMD64, general, middle},
		{"c6g", ARM64, compute, graviton}, {"m6g", ARM64, general, graviton}, {"r6g", ARM64, memory, graviton},
		{"c7g", ARM64, compute, graviton}, {"m7g", ARM64, general, graviton}, {"r7g", ARM64, memory, graviton},
	}
}

// All returns every type that is known here.
func All() []Type {
	var all []Type
	for _, f := range []family{{name: "t3", arch: AMD64}, {name: "t3a", arch: AMD64}, {name: "t4g", arch: ARM64}} {
		for _, b := range burstables() {
			if f.name == "t3a" && b.name == "small" {
				b.interfaces = 2 // the one that differs
			}
			all = append(all, newType(f, b.size, b.memoryMiB))
		}
	}
	for _, f := range families() {
		for _, s := range f.sizes {
			all = append(all, newType(f, s, int64(s.vcpu)*f.memoryMiB))
		}
	}
	return all
}

// Lookup returns the type of a name such as "t3.medium".
func Lookup(name string) (Type, bool) {
	all := All()
	i := slices.IndexFunc(all, func(t Type) bool { return t.Name == name })
	if i < 0 {
		return Type{}, false
	}
	return all[i], true
}

func newType(f family, s size, memoryMiB int64) Type {
	return Type{
		Name: fmt.Sprintf("%s.%s", f.name, s.name), Arch: f.arch,
		VCPU: s.vcpu, MemoryMiB: memoryMiB, MaxPods: maxPods(s),
	}
}

// maxPods counts an address for each pod but those of the interfaces themselves,
// and the two system pods that use the node's. Managed node groups cap it by the
// number of vCPUs.
func maxPods(s size) int {
	limit := 110
	if s.vcpu >= 30 {
		limit = 250
	}
	return min(limit, s.interfaces*(s.addresses-1)+2)
}
