package embedded

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
)

// kfake's state logs hold JSON entries, each behind ten bytes: length of what
// follows the first eight, CRC-32C of that, version; little-endian.
const (
	stateHeader  = 10
	stateVersion = 1
)

// truncateTorn cuts off what a kill left behind the last whole entry: kfake
// would append to it and never read what it appended.
func truncateTorn(path string) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	whole := 0
	for rest := raw; len(rest) >= stateHeader; rest = raw[whole:] {
		length := int64(binary.LittleEndian.Uint32(rest))
		if length < 2 || length+8 > int64(len(rest)) || crc32.Checksum(rest[8:8+length], castagnoli()) != binary.LittleEndian.Uint32(rest[4:]) {
			break
		}
		whole += int(length) + 8
	}
	if whole == len(raw) {
		return nil
	}
	return truncate(path, int64(whole))
}

// recordEnds tells kfake of the ended transactions: how each ended, for a
// client that asks again, and an epoch that fences that client.
func recordEnds(path string, all []ended) error {
	type entry struct {
		Type   string `json:"type"`
		PID    int64  `json:"pid"`
		Epoch  int16  `json:"epoch"`
		Commit *bool  `json:"commit,omitempty"`
	}
	var log []byte
	for _, e := range all {
		for _, entry := range []entry{
			{Type: "endtx", PID: e.producer.id, Epoch: e.producer.epoch, Commit: &e.commit},
			{Type: "timeout", PID: e.producer.id, Epoch: e.producer.epoch + 1},
		} {
			encoded, err := json.Marshal(entry)
			if err != nil {
				return err
			}
			log = append(log, frame(encoded)...)
		}
	}
	if len(log) == 0 {
		return nil
	}
	return appendSynced(path, log)
}

func frame(data []byte) []byte {
	framed := make([]byte, stateHeader, stateHeader+len(data))
	binary.LittleEndian.PutUint32(framed, uint32(2+len(data)))
	binary.LittleEndian.PutUint16(framed[8:], stateVersion)
	framed = append(framed, data...)
	binary.LittleEndian.PutUint32(framed[4:], crc32.Checksum(framed[8:], castagnoli()))
	return framed
}
