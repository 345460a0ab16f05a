package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gamemetrics/gmctl/internal/testenv/script"
)

// The test binary is gmctl itself when a script calls it by that name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"gmctl":    func() { os.Exit(Main()) },
		"stubborn": stubborn,
	})
}

// stubborn is a program that is interrupted as gmctl is, and then takes its time.
func stubborn() {
	ctx, stop := untilInterrupted()
	defer stop()
	fmt.Println("working")
	<-ctx.Done()
	fmt.Println("cancelled")
	time.Sleep(time.Minute)
	os.Exit(0)
}

// TestScripts runs what a user types, from testdata/script/*.txtar.
func TestScripts(t *testing.T) {
	script.Run(t, testscript.Params{Dir: filepath.Join("testdata", "script")})
}
