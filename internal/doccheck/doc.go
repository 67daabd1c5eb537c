// Package doccheck checks what is written about the code: the doc comments, the Go and
// shell blocks of the Markdown files, and CHANGELOG.md. Its tests parse sources and run the
// go command and curl, and so they are behind a build tag:
//
//	go test -tags doccheck ./internal/doccheck
package doccheck
