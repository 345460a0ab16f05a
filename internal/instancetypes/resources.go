package instancetypes

// Resources is what a node has, or what of it pods can ask for.
type Resources struct {
	MilliCPU    int64
	MemoryBytes int64
	Pods        int
}

const mebibyte = 1 << 20

// Capacity is what the node's kubelet reports. Firmware and kernel keep a
// sixteenth of the memory, as measured on t3 and m5: 1967264Ki of a t3.small's
// 2 GiB, 7865424Ki of an m5.large's 8 GiB.
func (t Type) Capacity() Resources {
	return Resources{
		MilliCPU:    int64(t.VCPU) * 1000,
		MemoryBytes: t.MemoryMiB * mebibyte / 16 * 15,
		Pods:        t.MaxPods,
	}
}

// Allocatable is what pods can ask for: the capacity without what EKS's nodes
// reserve for the kubelet and keep free before they evict.
func (t Type) Allocatable() Resources {
	const evictionMiB = 100
	capacity := t.Capacity()
	return Resources{
		MilliCPU:    capacity.MilliCPU - reservedMilliCPU(t.VCPU),
		MemoryBytes: capacity.MemoryBytes - (reservedMiB(t.MaxPods)+evictionMiB)*mebibyte,
		Pods:        capacity.Pods,
	}
}

// reservedMiB is EKS's kube-reserved memory: a fixed part and one for each pod.
func reservedMiB(maxPods int) int64 { return 255 + 11*int64(maxPods) }

// reservedMilliCPU is EKS's kube-reserved CPU: 6 % of the first core, 1 % of the
// second, 0.5 % of the third and the fourth, 0.25 % of each after.
func reservedMilliCPU(vcpu int) int64 {
	var tenths int64
	for core := 1; core <= vcpu; core++ {
		switch {
		case core == 1:
			tenths += 600
		case core == 2:
			tenths += 100
		case core <= 4:
			tenths += 50
		default:
			tenths += 25
		}
	}
	return tenths / 10
}
