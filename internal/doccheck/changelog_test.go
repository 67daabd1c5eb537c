//go:build doccheck

package doccheck_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/connectlinks/connectlinks-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVersionIsNewestInChangelog(t *testing.T) {
	t.Parallel()
	changelog, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	require.NoError(t, err)
	release := regexp.MustCompile(`(?m)^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$`)
	newest := release.FindSubmatch(changelog)
	require.NotNil(t, newest, "no heading of the form ## [0.1.0] - 2026-01-31")
	assert.Equal(t, string(newest[1]), connectlinks.Version)
	headings := regexp.MustCompile(`(?m)^## `).FindAll(changelog, -1)
	unreleased := regexp.MustCompile(`(?m)^## \[Unreleased\]$`).FindAll(changelog, -1)
	assert.LessOrEqual(t, len(unreleased), 1)
	assert.Len(t, headings, len(unreleased)+len(release.FindAll(changelog, -1)), "a heading of another form")
}
