package connectlinks_test

import (
	"context"
	"fmt"
	"log"
	"sync"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// vault is a token source that keeps the token that it has read.
type vault struct {
	read func(context.Context) (string, error)

	mu    sync.Mutex
	token string
}

func (v *vault) Token(ctx context.Context) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.token == "" {
		token, err := v.read(ctx)
		if err != nil {
			return "", err
		}
		v.token = token
	}
	return v.token, nil
}

// Invalidate forgets the token, unless it has been replaced.
func (v *vault) Invalidate(token string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.token == token {
		v.token = ""
	}
}

// The API refuses a token that was rotated. The SDK invalidates it, and sends the request
// once more with the new token.
func ExampleTokenInvalidator() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	secrets := &vault{read: func(context.Context) (string, error) {
		fmt.Println("read the token")
		return srv.Token(), nil
	}}
	client, err := connectlinks.NewClient(
		connectlinks.WithBaseURL(srv.URL),
		connectlinks.WithTokenSource(secrets),
	)
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		if _, err := client.Workspaces.Current(context.Background()); err != nil {
			log.Fatal(err)
		}
	}

	if _, err := srv.RotateToken(srv.Workspace().ID); err != nil {
		log.Fatal(err)
	}
	workspace, err := client.Workspaces.Current(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(workspace.Name)
	// Output:
	// read the token
	// read the token
	// Sandbox
}
