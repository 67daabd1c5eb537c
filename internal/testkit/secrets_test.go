package testkit

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The checks find every secret in every spelling.
func TestSecretsWouldBeFound(t *testing.T) {
	t.Parallel()
	found := func(verb, out string) bool {
		for _, needle := range needles[verb] {
			if strings.Contains(out, needle) || strings.Contains(Decoded(out), needle) {
				return true
			}
		}
		return false
	}
	for _, secret := range Secrets {
		for _, verb := range Verbs {
			if strings.ContainsAny(verb, "0123456789") {
				continue
			}
			for _, v := range []any{secret, []byte(secret), struct{ S string }{secret}, struct{ s []byte }{[]byte("a" + secret)}} {
				out := fmt.Sprintf(verb, v)
				assert.True(t, found(verb, out), "%s of %T: %s", verb, v, out)
			}
		}
		for name, echo := range Spellings {
			assert.True(t, found("%s", echo(secret)), name)
		}
	}
}
