package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/connectlinks/connectlinks-go"
)

// finding is one result of doctor.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // ok or problem
	Found  string `json:"found"`
	ToDo   string `json:"to_do,omitempty"`
}

func doctor(ctx context.Context, a *app) error {
	var findings []finding
	var problems []*failure
	report := func(check string, problem error, ok, todo string) {
		f := finding{check, "ok", ok, todo}
		if problem != nil {
			p := explain(problem)
			f = finding{check, "problem", p.what, p.todo}
			problems = append(problems, p)
		}
		findings = append(findings, f)
		a.say("%-8s %-12s %s", f.Status, f.Check, safe(f.Found))
		if f.ToDo != "" {
			a.say("%22s-> %s", "", safe(f.ToDo))
		}
	}
	if a.setup != nil {
		report("settings", a.setup, "", "")
	} else {
		a.check(ctx, report)
	}
	a.result = findings
	if len(problems) > 0 {
		return &failure{problems[0].code, fmt.Sprintf("%d of %d checks found a problem", len(problems), len(findings)), "", nil}
	}
	return nil
}

// check asks the API what only the API knows.
func (a *app) check(ctx context.Context, report func(check string, problem error, ok, todo string)) {
	opened, err := a.opens(ctx)
	is := func(target error) bool { return errors.Is(err, target) }
	needs, todo := "", "copy all of it, prefix included"
	switch prefixed := strings.HasPrefix(a.token, "secret-token:"); {
	case !is(connectlinks.ErrUnauthorized) && !is(connectlinks.ErrForbidden): // the API takes it for a token
	case a.kind == "activation" && prefixed:
		needs, todo = "a personal access token, and this is a workspace API key", "activations take no other"
	case a.kind != "activation" && !prefixed:
		needs = `a workspace API key, which begins with "secret-token:"`
	}
	if needs != "" {
		report("token", misuse(a.tokenFrom+" must be "+needs, todo), "", "")
	} else {
		report("token", nil, a.tokenFrom+" looks as it should", "")
	}

	var api *connectlinks.APIError
	gone := a.kind != "activation" && retired(err)
	if err != nil && !gone && (!errors.As(err, &api) || api.StatusCode < 400 || api.StatusCode >= 500) {
		report("region", err, "", "")
		return
	}
	region, other := "neither the US nor the EU", ""
	switch strings.TrimRight(a.baseURL, "/") {
	case connectlinks.BaseURLUS:
		region, other = "the US", "; or is it of the EU? then CENSUS_BASE_URL="+connectlinks.BaseURLEU
	case connectlinks.BaseURLEU:
		region, other = "the EU", "; or is it of the US? then CENSUS_BASE_URL="+connectlinks.BaseURLUS
	}
	todo = ""
	if a.kind != "activation" {
		todo = "API V1 ends on 15 January 2027: linkctl migrate says what to do"
	}
	report("region", nil, a.baseURL+" answers, which is "+region, todo)

	switch {
	case is(connectlinks.ErrUnauthorized):
		err = &failure{exitRefused, "the API does not know the token", "make a new one in the account's settings" + other, nil}
	case gone:
		err = &failure{exitNotFound, "there is no API V1 here", "is CENSUS_BASE_URL right? is API V1 retired? then -kind activation", nil}
	}
	if report("workspace", err, opened, ""); err == nil && a.typ != "" {
		s, err := a.api.service(ctx, a.typ)
		todo := "linkctl types -kind " + a.kind + " shows what can be linked"
		switch {
		case errors.Is(err, connectlinks.ErrNotFound):
			err = &failure{exitNotFound, fmt.Sprintf("there is no type %q", a.typ), todo, nil}
		case err == nil && !s.Linkable:
			err = &failure{exitRefused, "no link can be made for " + s.Label, todo, nil}
		}
		report("type", err, s.Label+" can be linked", "")
	}
	if a.redirectURI != "" {
		var problem error
		_, err := a.api.create(ctx, connectlinks.CreateConnectLinkParams{RedirectURI: a.redirectURI}) // without a type the SDK sends nothing, and says what is wrong
		for _, said := range inputErrors(err) {
			if strings.HasPrefix(said, "-redirect-uri") {
				problem = misuse(said, "give a whole address, such as https://app.example.com/connected")
			}
		}
		report("redirect URI", problem, "well formed", "")
	}
}

// opens returns what the token gives access to.
func (a *app) opens(ctx context.Context) (string, error) {
	if a.kind != "activation" {
		w, err := a.client.Workspaces.Current(ctx)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%q (id %d, organization %d)", w.Name, w.ID, w.OrganizationID), nil
	}
	one := connectlinks.ListOptions{PerPage: 1}
	activations, err := a.client.Activations.List(ctx, one)
	if err != nil {
		return "", err
	}
	opened := fmt.Sprintf("activations: %d", activations.TotalRecords)
	if page, err := a.client.Workspaces.List(ctx, one); err == nil && len(page.Items) > 0 { // V1 only
		opened += fmt.Sprintf("; workspaces: %d, the newest %q (id %d)", page.TotalRecords, page.Items[0].Name, page.Items[0].ID)
	}
	return opened, nil
}
