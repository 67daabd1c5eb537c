// Package e2e proves in a real browser what package connectlinksweb, the example
// webapp and the sandbox's hosted pages promise: what a customer sees and does on
// the way from the button to the connection.
//
// Its tests drive an installed Chromium, which they look for in the environment
// variable CHROMIUM and then in the PATH. Nothing outside of this machine is
// reached. Two more variables:
//
//	CONNECTLINKS_SKIP_E2E=1   skips all of it
//	E2E_SCREENSHOTS=DIR       keeps a picture of each page that a test failed on
//
// The tests wait for a browser more than they compute: go test -parallel 4.
//
// It is a module of its own, so that the SDK does not depend on a driver.
package e2e
