package connectlinks

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A path may have several placeholders. The error names each wrong one.
func TestPlaceholders(t *testing.T) {
	t.Parallel()
	k := get("/sources/{source_id}/fields/{name}").id("id", 7).name("name", "a b")
	assert.Equal(t, &InputError{"name", `must be an id or name: not empty, not . or .., without blanks, / \ ? % { or }`}, k.refused)
	assert.Equal(t, "/sources/7/fields/a b", k.path)
	assert.Equal(t, "/sources/7/fields/a%20b", k.escaped)

	for _, refused := range []error{
		get("/a/{a}/b/{b}").id("a", 0).name("b", "ok").refused,
		get("/a/{a}/b/{b}").name("a", "").id("b", 1).refused,
	} {
		var e *InputError
		require.ErrorAs(t, refused, &e)
		assert.Equal(t, "a", e.Field)
	}
	err := get("/a/{a}/b/{b}").id("a", 0).name("b", "").refused
	require.ErrorContains(t, err, "a must be positive")
	require.ErrorContains(t, err, "b must be an id or name")
}
