package main

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/examples/internal/pseudoterminal"
)

// At a terminal, the link's page can be opened until Enter is pressed.
func TestStaysUntilEnterOnTerminal(t *testing.T) {
	term := pseudoterminal.New(t)
	cmd := process(t)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = term.Program, term.Program, term.Program
	require.NoError(t, cmd.Start())
	shown := term.Until("Press Enter to end the program.")
	assert.Contains(t, shown, "The sandbox and its link live as long as this program.")

	page, err := http.Get(regexp.MustCompile(`http://\S+/pbc\?auth=\w+`).FindString(shown))
	require.NoError(t, err)
	page.Body.Close()
	assert.Equal(t, http.StatusOK, page.StatusCode)

	_, err = term.Person.WriteString("\n")
	require.NoError(t, err)
	assert.NoError(t, cmd.Wait())
}
