package instancetypes_test

import (
	"testing"

	"github.com/gamemetrics/gmctl/internal/instancetypes"
)

func TestMaxPodsAreThoseOfTheNetworkInterfaces(t *testing.T) {
	for name, want := range map[string]int{
		"t3.micro": 4, "t3.small": 11, "t3a.small": 8, "t3.medium": 17, "t3.large": 35, "t3.xlarge": 58,
		"m6i.large": 29, "m6i.xlarge": 58, "m6g.medium": 8, "r7g.2xlarge": 58,
		"m5.4xlarge": 110, "m5.8xlarge": 234, "m5.16xlarge": 250,
	} {
		found, ok := instancetypes.Lookup(name)
		if !ok || found.MaxPods != want {
			t.Errorf("%s: %d pods (known: %t), want %d", name, found.MaxPods, ok, want)
		}
	}
	if found, ok := instancetypes.Lookup("z9.huge"); ok {
		t.Errorf("%+v", found)
	}
}

func TestAllocatableIsWhatTheKubeletLeaves(t *testing.T) {
	const mebibyte = 1 << 20
	tests := map[string]instancetypes.Resources{
		// 1920 − 255 − 11×11 − 100
		"t3.small":  {MilliCPU: 1930, MemoryBytes: 1444 * mebibyte, Pods: 11},
		"t3.medium": {MilliCPU: 1930, MemoryBytes: 3298 * mebibyte, Pods: 17},
		"m6i.large": {MilliCPU: 1930, MemoryBytes: 7006 * mebibyte, Pods: 29},
		// 60 + 10 + 2×5 + 4×2.5
		"m6i.2xlarge": {MilliCPU: 7910, MemoryBytes: 29727 * mebibyte, Pods: 58},
	}
	for name, want := range tests {
		found, _ := instancetypes.Lookup(name)
		if got := found.Allocatable(); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

func TestNoTypeIsListedTwice(t *testing.T) {
	seen := map[string]bool{}
	for _, found := range instancetypes.All() {
		if seen[found.Name] {
			t.Error(found.Name)
		}
		seen[found.Name] = true
		if free := found.Allocatable(); found.MemoryMiB >= 1024 && free.MemoryBytes <= 0 {
			t.Errorf("%s has no memory for pods: %+v", found.Name, free)
		}
	}
}
