package main

import "github.com/shirou/gopsutil/v4/process"

// resident is the memory that a process holds, in MiB. Pages that several share,
// such as those of their program, count for a part in each (PSS).
func resident(pid int) (float64, error) {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return 0, err
	}
	maps, err := p.MemoryMaps(true)
	if err != nil {
		return 0, err
	}
	return float64((*maps)[0].Pss) / (1 << 10), nil
}
