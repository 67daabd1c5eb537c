// Package e2e holds tests in a real browser of package connectlinksweb, the example webapp,
// the sandbox's hosted pages and its page for people. README.md says how to run them.
package e2e
