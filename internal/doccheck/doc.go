// Package doccheck checks the texts about the code: the doc comments, the Go and shell blocks
// of the Markdown files, and CHANGELOG.md. Its tests parse sources, and run the go command
// and curl, so they have a build tag:
//
//	go test -tags doccheck ./internal/doccheck
package doccheck
