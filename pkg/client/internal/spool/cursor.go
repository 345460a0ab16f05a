package spool

import (
	"encoding/binary"
	"io"
	"os"
)

// cursorBytes are a position and its checksum.
const cursorBytes = 12

// openCursor opens the file of the settled position and reads it. One that is
// missing or damaged says 0: everything that is there is returned again.
func openCursor(path string) (settled uint64, file *os.File, err error) {
	file, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return 0, nil, err
	}
	var buf [cursorBytes]byte
	if n, err := file.ReadAt(buf[:], 0); n < cursorBytes {
		if err == io.EOF {
			return 0, file, nil
		}
		return 0, nil, err
	}
	settled = binary.LittleEndian.Uint64(buf[:])
	if checksum(settled, nil) != binary.LittleEndian.Uint32(buf[8:]) {
		return 0, file, nil
	}
	return settled, file, nil
}

func writeCursor(file *os.File, settled uint64) error {
	buf := binary.LittleEndian.AppendUint64(make([]byte, 0, cursorBytes), settled)
	buf = binary.LittleEndian.AppendUint32(buf, checksum(settled, nil))
	_, err := file.WriteAt(buf, 0)
	return err
}
