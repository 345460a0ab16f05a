package embedded

import (
	"errors"
	"os"
)

func appendSynced(path string, data []byte) error {
	return synced(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

func truncate(path string, size int64) error {
	return synced(path, os.O_WRONLY, func(f *os.File) error { return f.Truncate(size) })
}

// replace writes the file anew beside the old one, so that a kill leaves one of them.
func replace(path string, data []byte) error {
	draft := path + ".tmp"
	err := synced(draft, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
	if err != nil {
		return err
	}
	return os.Rename(draft, path)
}

// synced does something with a file and returns when that is on disk.
func synced(path string, flags int, do func(*os.File) error) error {
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return err
	}
	err = do(f)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
