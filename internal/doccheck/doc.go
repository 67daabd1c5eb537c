// Package doccheck checks what is written about the code: the doc comments, the Go
// blocks of README.md and docs, and CHANGELOG.md. Its tests parse sources and run the go
// command, and so they are behind a build tag:
//
//	go test -tags doccheck ./internal/doccheck
package doccheck
