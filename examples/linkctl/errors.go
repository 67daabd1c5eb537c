package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/connectlinks/connectlinks-go"
)

const (
	exitOther        = 1
	exitUsage        = 2
	exitRefused      = 3
	exitNotFound     = 4
	exitThrottled    = 5
	exitUnknown      = 6
	exitOtherwise    = 7
	exitCouldNotTell = 8
	exitInterrupted  = 130
)

// failure explains an error to a person: what is wrong, and what to do about it. It holds the
// exit code, and the error itself for details.
type failure struct {
	code       int
	what, todo string
	err        error
}

func (f *failure) Error() string { return f.what }

// misuse returns a failure of the command line or of the environment.
func misuse(what, todo string) error { return &failure{exitUsage, what, todo, nil} }

// explanations are tried in this order.
var explanations = []struct {
	target error
	failure
}{
	{connectlinks.ErrOutcomeUnknown, failure{exitUnknown, "the outcome is unknown: there may be a link now that nobody has",
		`find it with "linkctl list" and revoke it; or try again, since an unused link does no harm until it expires`, nil}},
	{context.Canceled, failure{exitInterrupted, "interrupted", "run the same command again to go on", nil}},
	{connectlinks.ErrUnauthorized, failure{exitRefused, "the API does not know the token",
		"it may have been replaced or cut off, or be of the other region: run linkctl doctor", nil}},
	{connectlinks.ErrForbidden, failure{exitRefused, "the token may not do this",
		"activations take a personal access token, sources and destinations a workspace API key: see linkctl doctor", nil}},
	{connectlinks.ErrInvalidRequest, failure{exitRefused, "the API refuses this",
		"linkctl types shows what can be linked; a used or dead link cannot be changed", nil}},
	{connectlinks.ErrNotFound, failure{exitNotFound, "the API has no such thing",
		"another -kind? another workspace's? linkctl list -all shows links, list -connections connections", nil}},
	{connectlinks.ErrRateLimited, failure{exitThrottled, "the API is throttling this token", "wait a minute, then try again", nil}},
	{connectlinks.ErrLinkExpired, failure{exitOther, "the link expired before the customer had finished", "make another", nil}},
	{connectlinks.ErrLinkRevoked, failure{exitOther, "the link was revoked before the customer had finished", "make another", nil}},
	{connectlinks.ErrServer, failure{exitOther, "the API reports an error of its own",
		"try again later; the vendor's support needs the request id", nil}},
	{connectlinks.ErrBadResponse, failure{exitOther, "the answer is not one of the API",
		"does CENSUS_BASE_URL lead to it? is a proxy in between? is API V1 retired?", nil}},
}

// explain returns the failure for any error.
func explain(err error) *failure {
	var f *failure
	var api *connectlinks.APIError
	answered := errors.As(err, &api)
	if errors.As(err, &f) {
		return f
	}
	if answered && !errors.Is(err, connectlinks.ErrOutcomeUnknown) {
		path, v1 := strings.CutPrefix(api.Path, "/api/v1/")
		missing := errors.Is(err, connectlinks.ErrNotFound)
		oneThing := api.StatusCode == http.StatusNotFound && strings.Contains(path, "/") // it may be that only this is missing
		if v1 && retired(err) && !oneThing {
			return &failure{map[bool]int{true: exitNotFound, false: exitOther}[missing], "there is no API V1",
				"is it retired? then -kind activation, and linkctl migrate says what is left; or is CENSUS_BASE_URL wrong?", err}
		}
	}
	for _, e := range explanations {
		if errors.Is(err, e.target) {
			f = &failure{e.code, e.what, e.todo, err}
			switch {
			case answered && e.target == connectlinks.ErrInvalidRequest && api.Message != "":
				f.what += ": " + safe(api.Message)
			case answered && e.target == connectlinks.ErrRateLimited && api.RetryAfter > 0:
				f.todo = fmt.Sprintf("try again in %s, not before", api.RetryAfter.Round(time.Second))
			}
			return f
		}
	}
	if said := inputErrors(err); len(said) > 0 {
		return &failure{exitUsage, strings.Join(said, ", and "), "", nil}
	}
	if answered {
		return &failure{exitOther, "the API gave an unexpected answer", "does CENSUS_BASE_URL lead to it?", err}
	}
	return &failure{exitOther, "the API does not answer", "is the network up? does CENSUS_BASE_URL lead to it?", err}
}

// inputErrors says what the SDK refused to send, in the words of the command line.
func inputErrors(err error) (said []string) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range many.Unwrap() {
			said = append(said, inputErrors(err)...)
		}
	}
	if in, ok := err.(*connectlinks.InputError); ok {
		name := map[string]string{
			"Type": "-type", "RedirectURI": "-redirect-uri", "GroupID": "-group", "linkID": "the link's id",
			"id": "the connection's id", "activationID": "-connection", "Token": "the token", "BaseURL": "CENSUS_BASE_URL",
		}[in.Field]
		said = append(said, cmp.Or(name, in.Field)+" "+in.Reason)
	}
	return said
}

// retired reports whether an answer of API V1 may be due to its retirement. How V1 will
// answer after it is not documented: "not found", "gone", a redirect or a page of HTML. So
// this is for endpoints that always find something.
func retired(err error) bool {
	var api *connectlinks.APIError
	if errors.As(err, &api) {
		return errors.Is(err, connectlinks.ErrNotFound) || api.StatusCode >= 300 && api.StatusCode < 400
	}
	return errors.Is(err, connectlinks.ErrBadResponse)
}
