package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

var (
	// browser is the context that all tabs are made from.
	browser context.Context
	// webapp is the example's program.
	webapp string
)

func TestMain(m *testing.M) {
	if os.Getenv("CONNECTLINKS_SKIP_E2E") == "1" {
		fmt.Println("e2e: skipped, as CONNECTLINKS_SKIP_E2E=1 says")
		return
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

// run has a browser, and the webapp's program, while the tests run.
func run(m *testing.M) (code int, err error) {
	path, err := findChromium()
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "connectlinks-e2e-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	webapp = filepath.Join(dir, "webapp")
	build := exec.Command("go", "build", "-o", webapp, "./examples/webapp")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building the webapp: %w\n%s", err, out)
	}

	allocator, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path),
		chromedp.UserDataDir(filepath.Join(dir, "profile")),
		chromedp.Headless,
		chromedp.NoSandbox, // it needs rights that root in a container has not
		chromedp.DisableGPU,
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-default-apps", true),
		chromedp.Flag("disable-extensions", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-breakpad", true),
		chromedp.Flag("disable-popup-blocking", true),
		chromedp.Flag("no-proxy-server", true),
		// Tabs that are not in front must work as if they were.
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
		// Clicks count from the start, not only after the first paint.
		chromedp.Flag("allow-pre-commit-input", true),
		// A frame of another site stays where the tab's own commands reach it. What
		// pages may know of each other does not depend on it.
		chromedp.Flag("disable-site-isolation-trials", true),
		chromedp.Flag("disable-features", "site-per-process,IsolateOrigins,Translate,MediaRouter,OptimizationHints"),
	)
	defer stop()
	var cancel context.CancelFunc
	browser, cancel = chromedp.NewContext(allocator)
	defer cancel()
	if err := chromedp.Do(browser); err != nil {
		return 0, fmt.Errorf("starting %s: %w", path, err)
	}
	return m.Run(), nil
}

// findChromium is where the browser is installed.
func findChromium() (string, error) {
	if path := os.Getenv("CHROMIUM"); path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("CHROMIUM: %w", err)
		}
		return found, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no Chromium: install it (apt-get install chromium, apk add chromium, dnf install chromium), " +
		"name its program in CHROMIUM, or skip these tests with CONNECTLINKS_SKIP_E2E=1")
}
