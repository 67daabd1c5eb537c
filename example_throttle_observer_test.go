package connectlinks_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// observed is a limiter that learns when the API throttles. Replicas of a program would store
// the pause in a place that all of them read; the module redislimit does this.
type observed struct{ *rate.Limiter }

func (observed) Throttled(_ context.Context, pause time.Duration) {
	fmt.Println("throttled for", pause)
}

func ExampleThrottleObserver() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	if err := srv.Fail(connectlinkstest.Failure{
		Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"30"}},
	}); err != nil {
		log.Fatal(err)
	}
	client := srv.Client(connectlinks.WithRateLimiter(observed{rate.NewLimiter(5, 10)}))

	_, err := client.Workspaces.Current(context.Background())
	refused := new(connectlinks.APIError)
	if errors.Is(err, connectlinks.ErrRateLimited) && errors.As(err, &refused) {
		fmt.Println("try again in", refused.RetryAfter)
	}
	// Output:
	// throttled for 30s
	// try again in 30s
}
