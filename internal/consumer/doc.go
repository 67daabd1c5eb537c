// Package consumer checks that the SDK works as a dependency: a module elsewhere gets
// it from a module proxy, like go get, and builds a handler. Its test runs the go
// command, and so it is behind a build tag:
//
//	go test -tags doccheck ./internal/consumer
package consumer
