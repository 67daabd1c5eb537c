//go:build doccheck

package doccheck_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/connectlinks/connectlinks-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// blockImports are the packages that a block may use without importing them.
var blockImports = map[string]string{
	"connectlinks":     "github.com/connectlinks/connectlinks-go",
	"connectlinkstest": "github.com/connectlinks/connectlinks-go/connectlinkstest",
	"connectlinksweb":  "github.com/connectlinks/connectlinks-go/connectlinksweb",
	"context":          "context",
	"errors":           "errors",
	"fmt":              "fmt",
	"http":             "net/http",
	"log":              "log",
	"os":               "os",
	"rand":             "crypto/rand",
	"rate":             "golang.org/x/time/rate",
	"slices":           "slices",
	"slog":             "log/slog",
	"strconv":          "strconv",
	"strings":          "strings",
	"sync":             "sync",
	"testing":          "testing",
	"time":             "time",
	"url":              "net/url",
}

// blockVariables are what statements may use without declaring it.
var blockVariables = map[string]string{
	"client":        "*connectlinks.Client",
	"ctx":           "context.Context",
	"err":           "error",
	"linkID":        "int64",
	"mux":           "*http.ServeMux",
	"org":           "*connectlinks.Client",
	"personalToken": "string",
	"r":             "*http.Request",
	"srv":           "*connectlinkstest.Server",
	"t":             "*testing.T",
	"token":         "string",
	"w":             "http.ResponseWriter",
	"workspaceID":   "int64",
}

// block is a block of Go in a Markdown file. One that begins with a package
// clause is a program or a package of its own; one of declarations lacks only that
// clause and its imports; one of statements is the body of a function.
type block struct {
	name string // of the file, below the root
	line int
	code string
}

// markdown returns README.md and what is in docs.
func markdown(t *testing.T) []string {
	t.Helper()
	docs, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	names := []string{"README.md"}
	for _, path := range docs {
		names = append(names, "docs/"+filepath.Base(path))
	}
	return names
}

func blocks(t *testing.T, name string) []block {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	var blocks []block
	open := false
	for i, line := range strings.SplitAfter(string(text), "\n") {
		switch fence := strings.TrimSpace(line); {
		case !open && fence == "```go":
			open = true
			blocks = append(blocks, block{name: name, line: i + 2})
		case open && fence == "```":
			open = false
		case open:
			blocks[len(blocks)-1].code += line
		}
	}
	assert.False(t, open, "%s: a block is not closed", name)
	return blocks
}

// tests reports whether the block has a test, which is run.
func (b block) tests() bool { return strings.Contains("\n"+b.code, "\nfunc Test") }

// file is the block as a Go file, in which its lines are those of the Markdown.
func (b block) file() (string, error) {
	at := fmt.Sprintf("//line %s:%d\n", b.name, b.line)
	fset := token.NewFileSet()
	if strings.HasPrefix(b.code, "package ") {
		_, err := parser.ParseFile(fset, b.name, at+b.code, parser.ParseComments)
		return at + b.code, err
	}

	body := "\n" + at + b.code
	params, end := "", ""
	file, err := parser.ParseFile(fset, b.name, "package block\n"+body, 0)
	statements := err != nil
	if statements {
		file, err = parser.ParseFile(fset, b.name, "package block\nfunc _() {"+body+"}\n", 0)
		if err != nil {
			return "", err
		}
	}
	free := map[string]bool{}
	for _, id := range file.Unresolved {
		free[id.Name] = true
	}
	if statements {
		for _, name := range slices.Sorted(maps.Keys(blockVariables)) {
			if !free[name] {
				continue
			}
			typ := blockVariables[name]
			params += name + " " + typ + ", "
			if pkg, _, ok := strings.Cut(strings.TrimPrefix(typ, "*"), "."); ok {
				free[pkg] = true
			}
		}
		for _, name := range declared(file.Decls[0].(*ast.FuncDecl).Body) {
			end += "_ = " + name + "\n"
		}
		body = "func _(" + params + ") {" + body + end + "}\n"
	}
	imports := ""
	for _, name := range slices.Sorted(maps.Keys(blockImports)) {
		if free[name] {
			imports += fmt.Sprintf("import %s %q\n", name, blockImports[name])
		}
	}
	return "package block\n" + imports + body, nil
}

// declared are the variables that statements declare, and need not use.
func declared(body *ast.BlockStmt) []string {
	names := map[string]bool{}
	for _, stmt := range body.List {
		switch stmt := stmt.(type) {
		case *ast.AssignStmt:
			for _, left := range stmt.Lhs {
				if id, ok := left.(*ast.Ident); ok && stmt.Tok == token.DEFINE && id.Name != "_" {
					names[id.Name] = true
				}
			}
		case *ast.DeclStmt:
			if decl, ok := stmt.Decl.(*ast.GenDecl); ok && decl.Tok == token.VAR {
				for _, spec := range decl.Specs {
					for _, id := range spec.(*ast.ValueSpec).Names {
						names[id.Name] = true
					}
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// All blocks are built at once, and the tests among them run. Their module replaces the SDK by
// this checkout, and takes the rest from the SDK's go.mod.
func TestGoInMarkdown(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command")
	}
	var all []block
	for _, name := range markdown(t) {
		all = append(all, blocks(t, name)...)
	}
	require.NotEmpty(t, all)
	checkout, err := filepath.Abs(root)
	require.NoError(t, err)
	mod, err := os.ReadFile(filepath.Join(checkout, "go.mod"))
	require.NoError(t, err)
	sum, err := os.ReadFile(filepath.Join(checkout, "go.sum"))
	require.NoError(t, err)
	const module = "github.com/connectlinks/connectlinks-go"

	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
	write("go.sum", string(sum))
	write("go.mod", strings.Replace(string(mod), "module "+module, "module markdown", 1)+
		fmt.Sprintf("\nrequire %s v%s\n\nreplace %s => %q\n", module, connectlinks.Version, module, checkout))
	for i, b := range all {
		file, err := b.file()
		if assert.NoError(t, err) {
			name := "block.go"
			if b.tests() {
				name = "block_test.go"
			}
			write(fmt.Sprintf("block%d/%s", i+1, name), file)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "test", "-mod=mod", "-timeout=1m", "./...")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOWORK=off", "GOPROXY=off", "GOFLAGS=")
	out, err := build.CombinedOutput()
	assert.NoError(t, err, "%s", out)

	// A program on the sandbox runs, and ends at once if its standard input is not a terminal.
	pipe, open, err := os.Pipe()
	require.NoError(t, err)
	defer pipe.Close()
	defer open.Close()
	ran := 0
	for i, b := range all {
		if !strings.HasPrefix(b.code, "package main") || !strings.Contains(b.code, "connectlinkstest.NewServer") {
			continue
		}
		ran++
		run := exec.CommandContext(t.Context(), "go", "run", "-mod=mod", fmt.Sprintf("./block%d", i+1))
		run.Dir, run.Env, run.Stdin = dir, build.Env, pipe
		out, err := run.CombinedOutput()
		assert.NoError(t, err, "%s:%d: %s", b.name, b.line, out)
		assert.Contains(t, string(out), "as long as this program", "%s:%d", b.name, b.line)
	}
	assert.NotZero(t, ran)
}
