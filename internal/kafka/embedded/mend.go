package embedded

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// sessionState is the file in which kfake keeps, after an orderly stop, what
// cannot be read from its logs.
const sessionState = "session_state.json"

// ended is a transaction that mend brought to its end.
type ended struct {
	producer   producer
	commit     bool
	partitions int // in which a marker was written
}

// mend ends on disk the transactions that a kill left open: that of the noted
// producer with a commit, every other with an abort. The directory must not be
// in use. After an orderly stop there is nothing to do: kfake then keeps open
// transactions in a file of its own.
func mend(dir string, noted *producer) ([]ended, error) {
	if _, err := os.Stat(filepath.Join(dir, sessionState)); err == nil {
		return nil, nil
	}
	entries, err := os.ReadDir(filepath.Join(dir, "partitions"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"pids.log", "groups.log"} {
		if err := truncateTorn(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	all := make(map[producer]*ended)
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		log, err := readLog(filepath.Join(dir, "partitions", entry.Name()))
		if err != nil {
			return nil, err
		}
		for _, p := range log.open() {
			e := all[p]
			if e == nil {
				e = &ended{producer: p, commit: noted != nil && *noted == p}
				all[p] = e
			}
			if err := log.appendMarker(p, e.commit); err != nil {
				return nil, err
			}
			e.partitions++
		}
	}
	var result []ended
	for _, p := range slices.SortedFunc(maps.Keys(all), func(a, b producer) int { return int(a.epoch) - int(b.epoch) }) {
		result = append(result, *all[p])
	}
	return result, recordEnds(filepath.Join(dir, "pids.log"), result)
}
