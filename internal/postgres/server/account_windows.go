package server

import "os"

// account stands for nobody: there is no server on Windows itself.
type account struct {
	name  string
	other bool
}

func accountFor(string) (account, error)        { return account{}, platformSupported() }
func unprivileged() (account, error)            { return account{}, platformSupported() }
func (account) own(...string) error             { return nil }
func (account) mustOwn(string) error            { return nil }
func (account) mustReach(string) error          { return nil }
func (account) closedParent(string) string      { return "" }
func reachableCache(dir string) (string, error) { return dir, nil }

const rootDataBase = ""

// DataDirFor returns preferred: there is no server on Windows itself.
func DataDirFor(_ bool, preferred string) (string, error) { return preferred, nil }

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
