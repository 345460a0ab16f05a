package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// headerBytes stand before the bytes of a record: their number and a checksum.
const headerBytes = 8

var errDamaged = errors.New("a record is damaged")

// appendRecord appends data to dst as the record that begins at position at.
func appendRecord(dst []byte, at uint64, data []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(data)))
	dst = binary.LittleEndian.AppendUint32(dst, checksum(at, data))
	return append(dst, data...)
}

// checksum covers the position too: bytes of another place that were left on the
// disk are no record here.
func checksum(at uint64, data []byte) uint32 {
	var place [12]byte
	binary.LittleEndian.PutUint64(place[:], at)
	binary.LittleEndian.PutUint32(place[8:], uint32(len(data)))
	table := crc32.MakeTable(crc32.Castagnoli) // made once, by the standard library
	return crc32.Update(crc32.Update(0, table, place[:]), table, data)
}

// record returns the record at the start of buf, which begins at position at and
// ends where the segment does, or why there is none. need is how long buf must be
// to tell, where it is too short.
func record(buf []byte, at uint64) (data []byte, need int, err error) {
	if len(buf) < headerBytes {
		return nil, headerBytes, nil
	}
	length := int64(binary.LittleEndian.Uint32(buf))
	if need := headerBytes + length; int64(len(buf)) < need {
		return nil, int(need), nil
	}
	data = buf[headerBytes : headerBytes+length]
	if checksum(at, data) != binary.LittleEndian.Uint32(buf[4:]) {
		return nil, 0, errDamaged
	}
	return data, 0, nil
}
