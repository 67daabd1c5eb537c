//go:build doccheck && unix

package doccheck_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shellMarks are what may follow console or sh on a fence. Blocks with a mark are not run:
// only their syntax is checked.
var shellMarks = map[string]string{
	"token":     "needs a token of the real service",
	"published": "needs the published module",
	"clone":     "begins before there is a checkout",
	"project":   "runs in the reader's own project",
	"long":      "takes minutes",
}

// shellBlock is a block of commands in a Markdown file. A block of sh has commands only.
// In a block of console a command begins with "$ ", and its output is below it.
type shellBlock struct {
	line     int // of the fence
	console  bool
	mark     string
	commands []shellCommand
}

type shellCommand struct {
	line   int
	text   string
	output []string // as shown; nil if nothing is shown
}

// shellFiles returns the Markdown files that may have commands, and the directories in which
// a reader runs them.
func shellFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{"CONTRIBUTING.md": "."}
	for _, name := range markdown(t) {
		files[name] = "."
	}
	modules, err := filepath.Glob(filepath.Join(root, "*", "go.mod"))
	require.NoError(t, err)
	for _, module := range modules {
		dir := filepath.Base(filepath.Dir(module))
		if _, err := os.Stat(filepath.Join(root, dir, "README.md")); err == nil {
			files[dir+"/README.md"] = dir
		}
	}
	return files
}

var shellFence = regexp.MustCompile("^( *)```(console|sh)(?: +(.*?))?\\s*$")

// shellBlocks returns the blocks of a file. It fails if the syntax of a command is wrong.
func shellBlocks(t *testing.T, name string) []shellBlock {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	var blocks []shellBlock
	for i := 0; i < len(lines); i++ {
		fence := shellFence.FindStringSubmatch(lines[i])
		if fence == nil {
			if strings.HasPrefix(strings.TrimSpace(lines[i]), "```") { // a block of something else
				for i++; i < len(lines) && strings.TrimSpace(lines[i]) != "```"; i++ {
				}
			}
			continue
		}
		b := shellBlock{line: i + 1, console: fence[2] == "console", mark: fence[3]}
		if b.mark != "" {
			assert.Contains(t, shellMarks, b.mark, "%s:%d: the mark of the block", name, b.line)
		}
		var inside []string
		for i++; i < len(lines) && strings.TrimSpace(lines[i]) != "```"; i++ {
			inside = append(inside, strings.TrimPrefix(lines[i], fence[1]))
		}
		require.Less(t, i, len(lines), "%s:%d: the block is not closed", name, b.line)
		b.parse(t, name, inside)
		assert.NotEmpty(t, b.commands, "%s:%d: the block has no command", name, b.line)
		blocks = append(blocks, b)
	}
	return blocks
}

// parse finds the commands in the lines of a block. A command goes on with the next line as
// long as the shell cannot parse it, or if its line ends with a backslash.
func (b *shellBlock) parse(t *testing.T, name string, lines []string) {
	t.Helper()
	for i := 0; i < len(lines); i++ {
		c := shellCommand{line: b.line + 1 + i, text: lines[i]}
		if b.console {
			command, ok := strings.CutPrefix(c.text, "$ ")
			if !ok {
				if assert.NotEmpty(t, b.commands, "%s:%d: output without a command", name, c.line) {
					last := &b.commands[len(b.commands)-1]
					last.output = append(last.output, c.text)
				}
				continue
			}
			c.text = command
		} else if text := strings.TrimSpace(c.text); text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		for {
			problem := shellSyntax(t, c.text)
			if problem == "" && !strings.HasSuffix(c.text, `\`) {
				break
			}
			if i++; i == len(lines) {
				assert.Fail(t, "the shell cannot parse a command", "%s:%d: %s\n%s", name, c.line, c.text, problem)
				break
			}
			c.text += "\n" + lines[i]
		}
		b.commands = append(b.commands, c)
	}
}

// shellSyntax returns what the shell has against the syntax of commands.
func shellSyntax(t *testing.T, text string) string {
	t.Helper()
	check := exec.CommandContext(t.Context(), "sh", "-n")
	check.Stdin = strings.NewReader(text + "\n")
	out, err := check.CombinedOutput()
	if err != nil {
		return fmt.Sprint(string(out), err)
	}
	return ""
}

// shellOutput returns the pattern of an output: "..." stands for any text in a line, and a
// line "..." for any lines. The width of columns may differ.
func shellOutput(lines []string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A`)
	for _, line := range lines {
		if line == "..." {
			b.WriteString(`(?:.*\n)*`)
			continue
		}
		var parts []string
		for part := range strings.SplitSeq(strings.TrimRight(line, " "), "...") {
			parts = append(parts, regexp.QuoteMeta(part))
		}
		b.WriteString(shellColumns.ReplaceAllString(strings.Join(parts, ".*"), "$1 {2,}") + ` *\n`)
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}

var shellColumns = regexp.MustCompile(`(\S) {2,}`)

func TestShellOutput(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shown, got string
		want       bool
	}{
		{"a", "a\n", true},
		{"a", "a  \n", true},
		{"a", "b\n", false},
		{"a", "ab\n", false},
		{"a", "a\nb\n", false},
		{"a", "b\na\n", false},
		{"a\nb", "a\nb\n", true},
		{"a\nb", "b\na\n", false},
		{"a ... z", "a . z\n", true},
		{"a ... z", "a\nz\n", false},
		{"a.c", "abc\n", false},
		{"a  b", "a    b\n", true},
		{"a  b", "a b\n", false},
		{"a b", "a  b\n", false},
		{"  a", " a\n", false},
		{"a\n...", "a\n", true},
		{"a\n...\nb", "a\nx\ny\nb\n", true},
		{"...\nb", "a\n", false},
	} {
		assert.Equal(t, c.want, shellOutput(strings.Split(c.shown, "\n")).MatchString(c.got), "%q for %q", c.got, c.shown)
	}
}

// TestShellInMarkdown runs the commands of every file in one shell, from top to bottom, so that
// exports and servers in the background last. They run in a copy of the checkout.
// A command must succeed, unless its output is shown. What is shown must be the whole output.
func TestShellInMarkdown(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no shell")
	}
	env := shellEnvironment(t)
	files, ran := shellFiles(t), 0
	checkout := filepath.Join(t.TempDir(), "checkout") // always the same: builds are cached by it
	for _, name := range slices.Sorted(maps.Keys(files)) {
		var commands []shellCommand
		for _, b := range shellBlocks(t, name) {
			if b.mark == "" {
				commands = append(commands, b.commands...)
			}
		}
		if len(commands) == 0 {
			continue
		}
		ran++
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.RemoveAll(checkout))
			copyCheckout(t, checkout)
			runShell(t, name, filepath.Join(checkout, files[name]), env, commands)
		})
	}
	assert.NotZero(t, ran)
}

// shellEnvironment returns the environment of a reader who has Go, and nothing of ours.
func shellEnvironment(t *testing.T) []string {
	t.Helper()
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "CENSUS_") })
	home := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(home, ".curlrc"), []byte("fail-with-body\nshow-error\n"), 0o644)) // a 4xx is a failure
	env = append(env, "HOME="+home, "GOBIN="+filepath.Join(home, "bin"), "GOWORK=off", "no_proxy=127.0.0.1,localhost")
	for _, name := range []string{"GOPATH", "GOCACHE", "GOMODCACHE"} { // they would be below HOME
		value, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		require.NoError(t, err)
		env = append(env, name+"="+strings.TrimSpace(string(value)))
	}
	return env
}

func copyCheckout(t *testing.T, to string) {
	t.Helper()
	require.NoError(t, os.Mkdir(to, 0o755))
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	for _, e := range entries {
		from, to := filepath.Join(root, e.Name()), filepath.Join(to, e.Name())
		switch {
		case e.Name() == ".git":
		case e.IsDir():
			require.NoError(t, os.CopyFS(to, os.DirFS(from)))
		default:
			content, err := os.ReadFile(from)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(to, content, 0o644))
		}
	}
}

// runShell runs commands in one shell, and compares what they print.
func runShell(t *testing.T, name, dir string, env []string, commands []shellCommand) {
	t.Helper()
	const mark = "=#=end-of-command=#=" // and the command's number and exit status
	var script strings.Builder
	for i, c := range commands {
		fmt.Fprintf(&script, "%s\nshell_status=$?; printf '\\n%s %%d %%d\\n' %d $shell_status; (exit $shell_status)\n", c.text, mark, i)
	}
	tools := t.TempDir()
	path := filepath.Join(tools, "script")
	require.NoError(t, os.WriteFile(path, []byte(script.String()), 0o644))
	output, err := os.Create(filepath.Join(tools, "output"))
	require.NoError(t, err)
	defer output.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	sh := exec.CommandContext(ctx, "sh", path)
	sh.Dir, sh.Env, sh.Stdout, sh.Stderr = dir, env, output, output
	// Servers in the background are in the shell's process group.
	sh.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	end := func() error { return syscall.Kill(-sh.Process.Pid, syscall.SIGKILL) }
	sh.Cancel = end
	require.NoError(t, sh.Start())
	err = sh.Wait()
	_ = end() // fails if nothing is left to end
	assert.NoError(t, ctx.Err(), "the commands take too long")

	text, readErr := os.ReadFile(output.Name())
	require.NoError(t, readErr)
	rest := string(text)
	for i, c := range commands {
		end := regexp.MustCompile(fmt.Sprintf(`\n%s %d (\d+)\n`, regexp.QuoteMeta(mark), i)).FindStringSubmatchIndex(rest)
		if !assert.NotNil(t, end, "%s:%d: the shell stopped here (%v)\n$ %s\n%s", name, c.line, err, c.text, rest) {
			return
		}
		got, status := rest[:end[0]], rest[end[2]:end[3]]
		rest = rest[end[1]:]
		if got != "" && !strings.HasSuffix(got, "\n") {
			got += "\n"
		}
		if c.output == nil {
			assert.Equal(t, "0", status, "%s:%d: the exit status\n$ %s\n%s", name, c.line, c.text, got)
			continue
		}
		assert.Regexp(t, shellOutput(c.output), got, "%s:%d: the output\n$ %s", name, c.line, c.text)
	}
}
