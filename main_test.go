package connectlinks_test

import (
	"os"
	"runtime/debug"
	"testing"
)

// The tests make much garbage and keep little. Collecting it less often saves a sixth of their
// time. Tests that measure memory set their own percentage.
func TestMain(m *testing.M) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	os.Exit(m.Run())
}
