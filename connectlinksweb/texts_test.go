package connectlinksweb_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinksweb"
)

// marked sets every text to its name in brackets, and returns the names.
func marked(v reflect.Value, prefix string) (names []string) {
	for i := range v.NumField() {
		name := prefix + v.Type().Field(i).Name
		switch field := v.Field(i); field.Kind() {
		case reflect.Struct:
			names = append(names, marked(field, name+".")...)
		case reflect.String:
			field.SetString("«" + name + "»")
			names = append(names, name)
		}
	}
	return names
}

// If all texts are replaced, no page has English left, and every text is on some page.
func TestTextsOfAnotherLanguage(t *testing.T) {
	var texts connectlinksweb.Texts
	names := marked(reflect.ValueOf(&texts).Elem(), "")
	texts.Lang = "de"
	texts.TryAgainIn = func(d time.Duration) string { return "«" + d.String() + "»" }
	opts := []connectlinksweb.Option{connectlinksweb.WithTexts(texts), connectlinksweb.WithBack("/integrations"), connectlinksweb.WithWait(0), silent}

	start := func(err error) *httptest.ResponseRecorder {
		return ask(connectlinksweb.Start((&minter{err: err}).mint, opts...), "POST", "/")
	}
	back := func(err error) *httptest.ResponseRecorder {
		return ask(connectlinksweb.Return(checking(err), connected, opts...), "GET", "/")
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	interrupted := httptest.NewRecorder()
	connectlinksweb.Start((&minter{err: cancelled.Err()}).mint, opts...).ServeHTTP(interrupted, httptest.NewRequestWithContext(cancelled, "POST", "/", nil))
	pages := []*httptest.ResponseRecorder{
		ask(connectlinksweb.Start((&minter{}).mint, opts...), "GET", "/"),
		ask(connectlinksweb.Start((&minter{}).mint, opts...), "POST", "/", "Sec-Fetch-Site", "cross-site"),
		ask(connectlinksweb.Return(notYet, connected, opts...), "GET", "/"),
		ask(connectlinksweb.Return(notYet, connected, opts...), "GET", "/?connectlink_look=2"),
		ask(connectlinksweb.Return(noAnswer, connected, opts...), "GET", "/"),
		ask(connectlinksweb.Return(noAnswer, connected, opts...), "GET", "/?connectlink_look=2"),
		interrupted,
	}
	for _, err := range []error{
		connectlinksweb.ErrNoLink, connectlinks.ErrLinkExpired, connectlinks.ErrLinkRevoked, connectlinks.ErrBadResponse,
		&connectlinks.APIError{StatusCode: 429}, &connectlinks.APIError{StatusCode: 503}, &connectlinks.APIError{StatusCode: 504},
		&connectlinks.APIError{StatusCode: 403}, errors.New("database"),
	} {
		pages = append(pages, start(err), back(err))
	}

	seen := map[string]bool{"Lang": true}
	for _, w := range pages {
		body := w.Body.String()
		assert.Contains(t, body, `<html lang="de">`)
		if found := regexp.MustCompile(`data-pressed="«(.*?)»"`).FindStringSubmatch(body); found != nil {
			seen[found[1]] = true
		}
		text := regexp.MustCompile(`(?s)<(style|script)>.*?</(style|script)>|<[^>]*>`).ReplaceAllString(body, "")
		for _, found := range regexp.MustCompile(`«(.*?)»`).FindAllStringSubmatch(text, -1) {
			seen[html.UnescapeString(found[1])] = true
		}
		assert.Empty(t, strings.TrimSpace(regexp.MustCompile(`«.*?»`).ReplaceAllString(text, "")), body)
	}
	for _, name := range names {
		assert.True(t, seen[name], name)
	}
	assert.True(t, seen["10s"], "TryAgainIn")
}

func TestTextsKeepEnglishWhereTheyAreEmpty(t *testing.T) {
	texts := connectlinksweb.WithTexts(connectlinksweb.Texts{Start: connectlinksweb.Text{Title: "Connect HubSpot"}, Back: "To your integrations"})
	w := ask(connectlinksweb.Start((&minter{}).mint, texts, connectlinksweb.WithBack("/")), "GET", "/")
	assert.Equal(t, said{
		"Connect HubSpot", "You continue on a secure page, and come back here when you are done.",
		[]string{"[Continue]", "To your integrations"},
	}, read(t, w))
	assert.Contains(t, w.Body.String(), `<html lang="en">`)

	w = ask(connectlinksweb.Start((&minter{}).mint, connectlinksweb.WithTitle("Connect Braze"), texts), "GET", "/")
	assert.Equal(t, "Connect Braze", read(t, w).title, "WithTitle is more special")
}

func TestTextsInJSON(t *testing.T) {
	texts := connectlinksweb.WithTexts(connectlinksweb.Texts{
		Waiting: connectlinksweb.Text{Message: "Noch nicht."}, Busy: connectlinksweb.Text{Message: "Zu viel."},
		TryAgainIn: func(d time.Duration) string { return fmt.Sprintf("Wieder in %d s.", d/time.Second) },
	})
	w := ask(connectlinksweb.Return(notYet, connected, texts, connectlinksweb.WithWait(0)), "GET", "/", "Accept", "application/json")
	require.JSONEq(t, `{"status": 202, "message": "Noch nicht."}`, w.Body.String())
	w = ask(connectlinksweb.Start((&minter{err: limiterRefused{}}).mint, texts, silent), "POST", "/", "Accept", "application/json")
	require.JSONEq(t, `{"status": 429, "message": "Zu viel. Wieder in 10 s.", "retry_after": 10}`, w.Body.String())
}

// A customer who renews credentials is connected all the time, whatever fails.
func TestRenewalTextsDoNotDoubtTheConnection(t *testing.T) {
	texts, wait := connectlinksweb.WithTexts(connectlinksweb.RenewalTexts()), connectlinksweb.WithWait(0)
	pages := []*httptest.ResponseRecorder{
		ask(connectlinksweb.Start((&minter{}).mint, texts), "GET", "/"),
		ask(connectlinksweb.Start((&minter{err: &connectlinks.APIError{StatusCode: 403}}).mint, texts, silent), "POST", "/"),
		ask(connectlinksweb.Return(notYet, connected, texts, wait), "GET", "/?connectlink_look=2"),
		ask(connectlinksweb.Return(noAnswer, connected, texts, wait, silent), "GET", "/?connectlink_look=2"),
	}
	for _, err := range []error{
		connectlinks.ErrLinkExpired, connectlinks.ErrLinkRevoked, connectlinks.ErrBadResponse, &connectlinks.APIError{StatusCode: 429},
		&connectlinks.APIError{StatusCode: 503}, &connectlinks.APIError{StatusCode: 504}, &connectlinks.APIError{StatusCode: 403}, errors.New("database"),
	} {
		pages = append(pages, ask(connectlinksweb.Return(checking(err), connected, texts, silent), "GET", "/"))
	}
	for _, w := range pages {
		said := read(t, w)
		assert.NotRegexp(t, "(?i)connected|connect your", said.title+" "+said.message)
	}
	assert.Equal(t, "New credentials", read(t, pages[0]).title)
	assert.Equal(t, "The credentials cannot be renewed at the moment. We have been told.", read(t, pages[1]).message)
}
