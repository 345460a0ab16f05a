package embedded

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// producer is a transaction's producer; under one epoch it has at most one
// transaction open.
type producer struct {
	id    int64
	epoch int16
}

// note is the file that holds the commit begun last: producer id, epoch and
// their CRC-32C, big-endian. Anything else than a valid note means none.
type note struct {
	file *os.File
	last *producer
}

const (
	noteName = "commit.note"
	noteSize = 8 + 2 + 4
)

func openNote(dir string) (*note, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, noteName), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	var raw [noteSize]byte
	if _, err := file.ReadAt(raw[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, file.Close())
	}
	n := &note{file: file}
	if crc32.Checksum(raw[:10], castagnoli()) == binary.BigEndian.Uint32(raw[10:]) {
		n.last = &producer{int64(binary.BigEndian.Uint64(raw[:])), int16(binary.BigEndian.Uint16(raw[8:]))}
	}
	return n, nil
}

// write returns when the note is on disk.
func (n *note) write(p producer) error {
	var raw [noteSize]byte
	binary.BigEndian.PutUint64(raw[:], uint64(p.id))
	binary.BigEndian.PutUint16(raw[8:], uint16(p.epoch))
	binary.BigEndian.PutUint32(raw[10:], crc32.Checksum(raw[:10], castagnoli()))
	n.last = &p
	return n.put(raw)
}

// clear returns when it is on disk that there is no note. (The CRC of ten zero
// bytes is not zero.)
func (n *note) clear() error {
	n.last = nil
	return n.put([noteSize]byte{})
}

func (n *note) put(raw [noteSize]byte) error {
	if _, err := n.file.WriteAt(raw[:], 0); err != nil {
		return err
	}
	return n.file.Sync()
}

func (n *note) close() error { return n.file.Close() }

// castagnoli is the CRC that Kafka and kfake use; the table is made once by the
// standard library.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }
