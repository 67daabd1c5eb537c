package testkit

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sdk is the SDK's module.
const sdk = "github.com/connectlinks/connectlinks-go"

// Consumer is a module outside the checkout. It gets the checkout's modules from a module
// proxy, like go get, and runs the go command.
type Consumer struct {
	Dir string

	t     testing.TB
	proxy string
	env   []string
}

// NewConsumer makes a consumer without requirements. Its go.sum has the sums of all modules
// that the module in dir requires.
func NewConsumer(t testing.TB, dir string) *Consumer {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command in PATH, which is what builds the module")
	}
	c := &Consumer{Dir: t.TempDir(), t: t, proxy: t.TempDir()}
	sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	require.NoError(t, err)
	c.Write("go.sum", string(sums))
	c.Write("go.mod", "module consumer.example\n\ngo 1.25.0\n")

	environ := strings.Fields(c.Go("env", "GOMODCACHE", "GOPROXY"))
	require.Len(t, environ, 2)
	// It has its own module cache, because the checkout changes and its version does not. The
	// machine's module cache is a second proxy, which needs no network. With -trimpath the
	// build cache does not depend on the directory, so only the first run compiles everything.
	c.env = append(os.Environ(),
		"GOMODCACHE="+t.TempDir(),
		"GOPROXY="+fileURL(c.proxy)+","+fileURL(filepath.Join(environ[0], "cache", "download"))+","+environ[1],
		"GONOSUMDB="+sdk, "GONOPROXY=none", "GOPRIVATE=",
		"GOFLAGS=-mod=mod -modcacherw -trimpath", "GOWORK=off", "GOTOOLCHAIN=local",
	)
	return c
}

// plainProgram is a program that uses the SDK only.
const plainProgram = `package main

import (
	"context"
	"fmt"
	"os"

	"github.com/connectlinks/connectlinks-go"
)

func main() {
	client, err := connectlinks.NewClient(connectlinks.WithToken(os.Getenv("CENSUS_API_TOKEN")))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(client.Workspaces.Current(context.Background()))
}
`

// CheckNestedModule checks that a module elsewhere gets the SDK's nested module with this name,
// which is the one in the working directory, like go get. A program that imports it builds, and
// links the SDK and the modules of links. A program that imports only the SDK links nothing of the
// nested module. The consumer that CheckNestedModule returns has the program in the directory
// program.
func CheckNestedModule(t testing.TB, name, program string, links ...string) *Consumer {
	t.Helper()
	here, err := filepath.Abs(".")
	require.NoError(t, err)
	module := sdk + "/" + name
	version := Required(t, here, sdk)
	c := NewConsumer(t, here)
	c.Publish(sdk, version, filepath.Dir(here))
	c.Publish(module, version, here)
	c.Write("plain/main.go", plainProgram)
	c.Write("program/main.go", program)
	c.Go("get", module+"@"+version)
	c.Go("build", "-o", filepath.Join(t.TempDir(), "consumer"), "./program")
	c.Go("vet", "./...")

	plain := []string{"consumer.example", sdk, "github.com/google/go-querystring", "golang.org/x/time"}
	assert.Equal(t, plain, c.Links("./plain"))
	assert.Equal(t, plain, c.Links("./plain", sdk+"/connectlinkstest", sdk+"/connectlinksweb"))
	want := slices.Concat(plain, []string{module}, links)
	slices.Sort(want)
	assert.Equal(t, want, c.Links("./program"))
	return c
}

// Publish puts the module in dir into the proxy. It leaves out nested modules.
func (c *Consumer) Publish(module, version, dir string) {
	t := c.t
	t.Helper()
	at := filepath.Join(c.proxy, filepath.FromSlash(module), "@v")
	require.NoError(t, os.MkdirAll(at, 0o755))
	write(t, filepath.Join(at, "list"), version+"\n")
	write(t, filepath.Join(at, version+".info"), `{"Version":"`+version+`","Time":"2026-01-01T00:00:00Z"}`)
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	write(t, filepath.Join(at, version+".mod"), string(mod))

	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, err := os.Stat(filepath.Join(path, "go.mod"))
			if nested := err == nil && path != dir; nested || d.Name() == ".git" || d.Name() == "vendor" || d.Name() == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		file, err := w.Create(module + "@" + version + "/" + filepath.ToSlash(name))
		if err != nil {
			return err
		}
		content, err := os.Open(path)
		if err != nil {
			return err
		}
		defer content.Close()
		_, err = io.Copy(file, content)
		return err
	}))
	require.NoError(t, w.Close())
	write(t, filepath.Join(at, version+".zip"), archive.String())
}

// Write writes a file of the consumer.
func (c *Consumer) Write(name, content string) {
	c.t.Helper()
	path := filepath.Join(c.Dir, filepath.FromSlash(name))
	require.NoError(c.t, os.MkdirAll(filepath.Dir(path), 0o755))
	write(c.t, path, content)
}

// Go runs the go command, and returns its output.
func (c *Consumer) Go(args ...string) string {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), "go", args...)
	cmd.Dir, cmd.Env = c.Dir, c.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(c.t, err, "go %s\n%s", strings.Join(args, " "), stderr.String())
	return string(out)
}

// Links returns the modules whose packages a program with these packages links, without the
// standard library.
func (c *Consumer) Links(packages ...string) []string {
	c.t.Helper()
	args := append([]string{"list", "-deps", "-f", "{{if not .Standard}}{{.Module.Path}}{{end}}"}, packages...)
	list := strings.Fields(c.Go(args...))
	slices.Sort(list)
	return slices.Compact(list)
}

// Required returns the version of a module that the go.mod in dir requires.
func Required(t testing.TB, dir, module string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	for line := range strings.Lines(string(raw)) {
		if fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require ")); len(fields) >= 2 && fields[0] == module {
			return fields[1]
		}
	}
	t.Fatalf("go.mod does not require %s", module)
	return ""
}

func write(t testing.TB, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}

func fileURL(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // C:/...
		path = "/" + path
	}
	return "file://" + path
}
