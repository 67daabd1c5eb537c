package connectlinks_test

import (
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

const lifeToken = "secret-token:life"

// lifePrefix is a base path, so that a method that asks for an absolute one fails.
const lifePrefix = "/proxy/census"

// lifeRT is a RoundTripper in the test's own process.
type lifeRT func(*http.Request) (*http.Response, error)

func (f lifeRT) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	return f(r)
}

func lifeAnswer(status int, body string) (*http.Response, error) {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}, nil
}

// lifeClient is a client of rt, which never retries unless opts say so.
func lifeClient(t testing.TB, rt http.RoundTripper, opts ...connectlinks.Option) *connectlinks.Client {
	t.Helper()
	client, err := connectlinks.NewClient(append([]connectlinks.Option{
		connectlinks.WithToken(lifeToken),
		connectlinks.WithHTTPClient(&http.Client{Transport: rt}),
		connectlinks.WithMaxRetries(0),
	}, opts...)...)
	require.NoError(t, err)
	return client
}

func lifeData(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return string(data)
}

// lifeRequest is what a server was asked.
type lifeRequest struct {
	Method, Path, Query, Body string
	Header                    http.Header
}

// lifeServer answers every request with one body, over real HTTP and below
// lifePrefix, and keeps what it was asked.
func lifeServer(t testing.TB, status int, body string) (*connectlinks.Client, func() []lifeRequest) {
	t.Helper()
	var mu sync.Mutex
	var got []lifeRequest
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, err := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		assert.NoError(t, err)
		got = append(got, lifeRequest{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, string(sent), r.Header.Clone()})
		if strings.HasPrefix(strings.TrimSpace(body), "<") {
			w.Header().Set("Content-Type", "text/html")
		} else {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
		}
		w.Header().Set("Date", lifeDate.Format(http.TimeFormat))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	client, err := connectlinks.NewClient(
		connectlinks.WithToken(lifeToken),
		connectlinks.WithBaseURL(srv.URL+lifePrefix+"/"),
		connectlinks.WithHTTPClient(srv.Client()),
		connectlinks.WithMaxRetries(0),
	)
	require.NoError(t, err)
	return client, func() []lifeRequest {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(got)
	}
}

// lifeCall is a call of a public method: what it asks for, and what it makes of
// the published answer.
type lifeCall struct {
	name   string // Service.Method
	call   func(context.Context, *connectlinks.Client) (any, error)
	method string
	path   string
	query  string
	body   string // JSON, "" for none
	status int
	answer string // in testdata
	want   any
}

func lifeCalls() []lifeCall {
	return slices.Concat(lifeLinkCalls(), lifeTypeCalls(), lifeConnectionCalls(), lifeWorkspaceCalls())
}

// lifeEach runs a call's method.
func lifeEach(t *testing.T, f func(t *testing.T, c lifeCall)) {
	t.Helper()
	for _, c := range lifeCalls() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f(t, c)
		})
	}
}

func TestEveryCallSendsItsRequestAndReadsThePublishedAnswer(t *testing.T) {
	t.Parallel()
	lifeEach(t, func(t *testing.T, c lifeCall) {
		answer := lifeData(t, c.answer)
		client, requests := lifeServer(t, c.status, answer)
		got, err := c.call(t.Context(), client)
		require.NoError(t, err)
		assert.Equal(t, c.status == http.StatusCreated, lifeTakeCreatedAt(got).Equal(lifeDate), "only a create says when a link was made")
		if c.want != nil {
			assert.Equal(t, c.want, lifeWithoutRaw(t, got, answer))
		}

		require.Len(t, requests(), 1)
		r := requests()[0]
		assert.Equal(t, c.method, r.Method)
		assert.Equal(t, lifePrefix+c.path, r.Path)
		assert.Equal(t, c.query, r.Query)
		assert.Equal(t, []string{"Bearer " + lifeToken}, r.Header["Authorization"])
		assert.Equal(t, []string{"application/json"}, r.Header["Accept"])
		assert.Contains(t, r.Header.Get("User-Agent"), "connectlinks-go/"+connectlinks.Version)
		if c.body == "" {
			assert.Empty(t, r.Body)
			return
		}
		assert.Equal(t, c.body, r.Body)
		assert.Equal(t, []string{"application/json"}, r.Header["Content-Type"])
	})
}

// lifeDate is the Date of lifeServer's answers.
var lifeDate = time.Date(2023, 7, 22, 12, 0, 0, 0, time.UTC)

// lifeTakeCreatedAt returns a link's CreatedAt and sets it to zero, so that the rest can be
// compared.
func lifeTakeCreatedAt(v any) (at time.Time) {
	var link *connectlinks.ConnectLink
	switch v := v.(type) {
	case *connectlinks.SourceConnectLink:
		link = &v.ConnectLink
	case *connectlinks.DestinationConnectLink:
		link = &v.ConnectLink
	case *connectlinks.ActivationConnectLink:
		link = &v.ConnectLink
	default:
		return at
	}
	at, link.CreatedAt = link.CreatedAt, at
	return at
}

// lifeWithoutRaw checks that an activation holds what the API wrote of it, and
// takes that out, so that the rest can be compared.
func lifeWithoutRaw(t *testing.T, v any, answer string) any {
	t.Helper()
	var env struct{ Data json.RawMessage }
	switch v := v.(type) {
	case *connectlinks.Activation:
		require.NoError(t, json.Unmarshal([]byte(answer), &env))
		assert.JSONEq(t, string(env.Data), string(v.Raw))
		v.Raw = nil
	case *connectlinks.Page[connectlinks.Activation]:
		require.NoError(t, json.Unmarshal([]byte(answer), &env))
		var items []json.RawMessage
		require.NoError(t, json.Unmarshal(env.Data, &items))
		require.Len(t, v.Items, len(items))
		for i := range v.Items {
			assert.JSONEq(t, string(items[i]), string(v.Items[i].Raw))
			v.Items[i].Raw = nil
		}
	}
	return v
}

// The methods that are not one request.
var lifeComposed = regexp.MustCompile(`\.(All\w*|WaitFor\w+|TokenSource)$`)

func lifeServices() map[string]reflect.Type {
	services := map[string]reflect.Type{}
	client := reflect.TypeFor[connectlinks.Client]()
	for i := range client.NumField() {
		if f := client.Field(i); f.IsExported() {
			services[f.Name] = f.Type
		}
	}
	return services
}

func TestEveryMethodIsAmongTheCalls(t *testing.T) {
	t.Parallel()
	var want, have []string
	for name, service := range lifeServices() {
		for i := range service.NumMethod() {
			if m := name + "." + service.Method(i).Name; !lifeComposed.MatchString(m) {
				want = append(want, m)
			}
		}
	}
	for _, c := range lifeCalls() {
		have = append(have, c.name)
	}
	slices.Sort(have)
	assert.ElementsMatch(t, want, slices.Compact(have))
	assert.Len(t, lifeServices(), 4)
}

func TestNoCallWorksWithoutNewClient(t *testing.T) {
	t.Parallel()
	clients := map[string]*connectlinks.Client{
		"zero": {},
		"zero services": {
			Sources: new(connectlinks.SourcesService), Destinations: new(connectlinks.DestinationsService),
			Activations: new(connectlinks.ActivationsService), Workspaces: new(connectlinks.WorkspacesService),
		},
	}
	for name, client := range clients {
		for _, c := range lifeCalls() {
			_, err := c.call(t.Context(), client)
			input := new(connectlinks.InputError)
			assert.ErrorAs(t, err, &input, "%s: %s", name, c.name)
		}
		for _, a := range lifeAlls() {
			_, errs := lifeWalk(a.all(t.Context(), client, connectlinks.ListOptions{}))
			require.Len(t, errs, 1, "%s: %s", name, a.name)
			input := new(connectlinks.InputError)
			assert.ErrorAs(t, errs[0], &input, "%s: %s", name, a.name)
		}
	}
}

// lifeSource is the SDK's own source: the root's files without the tests.
var lifeSource = sync.OnceValues(func() (map[string]*ast.File, error) {
	names, err := filepath.Glob("*.go")
	files := map[string]*ast.File{}
	fset := token.NewFileSet()
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, parseErr := parser.ParseFile(fset, name, nil, parser.ParseComments)
		err = errors.Join(err, parseErr)
		files[name] = file
	}
	return files, err
})

func lifeFiles(t *testing.T) map[string]*ast.File {
	t.Helper()
	files, err := lifeSource()
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// lifeReceiver is the name of a method's type, "" for a function.
func lifeReceiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	switch typ := typ.(type) {
	case *ast.Ident:
		return typ.Name
	case *ast.IndexExpr:
		return typ.X.(*ast.Ident).Name
	}
	return ""
}

// lifeMethods are a service's exported methods, in the order of its file.
func lifeMethods(t *testing.T, service string) []*ast.FuncDecl {
	t.Helper()
	var methods []*ast.FuncDecl
	for _, file := range lifeFiles(t) {
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && lifeReceiver(f) == service && f.Name.IsExported() {
				methods = append(methods, f)
			}
		}
	}
	require.NotEmpty(t, methods, service)
	return methods
}

func lifeMethodNames(t *testing.T, service string) []string {
	t.Helper()
	var names []string
	for _, m := range lifeMethods(t, service) {
		names = append(names, m.Name.Name)
	}
	return names
}

func TestTheServicesHaveTheSameMethods(t *testing.T) {
	t.Parallel()
	// Names of the three kinds become one.
	kinds := strings.NewReplacer("Source", "X", "Destination", "X", "Activation", "X", "source", "x", "destination", "x", "activation", "x")

	sources := lifeMethodNames(t, "SourcesService")
	assert.Equal(t, sources, lifeMethodNames(t, "DestinationsService"), "the same methods in the same order")
	activations := slices.Clone(sources)
	activations[slices.Index(activations, "WaitForConnection")] = "WaitForActivation"
	assert.Equal(t, activations, lifeMethodNames(t, "ActivationsService"), "the same, but for one")

	params := func(f *ast.FuncDecl) (names []string) {
		for _, field := range f.Type.Params.List {
			for _, name := range field.Names {
				names = append(names, kinds.Replace(name.Name))
			}
		}
		return names
	}
	in, out := lifeMethods(t, "SourcesService"), lifeMethods(t, "DestinationsService")
	for i := range in {
		assert.Equal(t, params(in[i]), params(out[i]), "%s: the names of the parameters", in[i].Name)
	}
	s, d := reflect.TypeFor[*connectlinks.SourcesService](), reflect.TypeFor[*connectlinks.DestinationsService]()
	require.Equal(t, s.NumMethod(), d.NumMethod())
	for i := range s.NumMethod() {
		assert.Equal(t, kinds.Replace(s.Method(i).Type.String()), kinds.Replace(d.Method(i).Type.String()), s.Method(i).Name)
	}
}

var (
	lifeAPILine  = regexp.MustCompile(`(?m)^API: ((?:GET|POST|DELETE) /api/v[12](?:/[a-z_]+|/\{[a-z_]+\})+)$`)
	lifePageLine = regexp.MustCompile(`(?m)^https://fivetran\.com/docs/activations/rest-api/api-reference/[a-z0-9/-]+$`)
	lifeName     = regexp.MustCompile(`\{\w+\}`)
)

// lifeRoute is a route whatever its placeholders are called.
func lifeRoute(pattern string) string { return lifeName.ReplaceAllString(pattern, "{}") }

// lifeRouteOf is the route in a method's doc comment, "" if it names none.
func lifeRouteOf(t *testing.T, m *ast.FuncDecl) string {
	t.Helper()
	lines := lifeAPILine.FindAllStringSubmatch(m.Doc.Text(), -1)
	assert.Equal(t, strings.Count(m.Doc.Text(), "API: "), len(lines), "%s: an API line of another form", m.Name)
	if len(lines) != 1 {
		assert.Empty(t, lines, "%s: more than one API line", m.Name)
		return ""
	}
	return lines[0][1]
}

func TestDocCommentsNameTheirEndpoints(t *testing.T) {
	t.Parallel()
	composed := regexp.MustCompile(`^(WaitFor\w+|TokenSource)$`)
	for name := range lifeServices() {
		for _, m := range lifeMethods(t, name+"Service") {
			route, page := lifeRouteOf(t, m), lifePageLine.FindString(m.Doc.Text())
			who := name + "." + m.Name.Name
			if composed.MatchString(m.Name.Name) {
				assert.Empty(t, route, "%s is more than one endpoint", who)
				continue
			}
			assert.NotEmpty(t, route, "%s has no line of the form API: GET /api/v1/...", who)
			if !strings.HasPrefix(m.Name.Name, "All") {
				assert.NotEmpty(t, page, "%s links no page of the reference", who)
			}
			v2 := strings.Contains(route, " /api/v2/")
			assert.Equal(t, name == "Activations", v2, "%s: %s", who, route)
			assert.True(t, page == "" || strings.Contains(page, "/api-reference/v2/") == v2, "%s: %s", who, page)
		}
	}
}

func TestDocCommentsAndRequestsAgree(t *testing.T) {
	t.Parallel()
	documented := map[string]string{}
	for name := range lifeServices() {
		for _, m := range lifeMethods(t, name+"Service") {
			documented[name+"."+m.Name.Name] = lifeRouteOf(t, m)
		}
	}
	for _, c := range lifeCalls() {
		pattern := regexp.MustCompile("^" + lifeName.ReplaceAllString(documented[c.name], `[^/]+`) + "$")
		assert.Regexp(t, pattern, c.method+" "+c.path, c.name)
	}
	for name, route := range documented {
		service, method, _ := strings.Cut(name, ".")
		if one, ok := strings.CutPrefix(method, "All"); ok {
			assert.Equal(t, documented[service+".List"+one], route, name)
		}
	}
}

func TestTheDoubleServesWhatTheDocCommentsName(t *testing.T) {
	t.Parallel()
	// These are for other clients of the API.
	others := []string{
		"GET /api/v1/syncs",
		"GET /api/v1/sources/{}/filter_segments",
		"GET /api/v1/sync_management_links",
		"POST /api/v1/sync_management_links",
	}
	var served, documented []string
	for _, pattern := range connectlinkstest.Routes() {
		served = append(served, lifeRoute(string(pattern)))
	}
	for name := range lifeServices() {
		for _, m := range lifeMethods(t, name+"Service") {
			if route := lifeRouteOf(t, m); route != "" {
				documented = append(documented, lifeRoute(route))
			}
		}
	}
	slices.Sort(documented)
	documented = slices.Compact(documented)
	assert.Subset(t, served, others, "the exceptions are up to date")
	assert.ElementsMatch(t, documented, slices.DeleteFunc(served, func(s string) bool { return slices.Contains(others, s) }))
}

func TestEverythingExportedIsDocumented(t *testing.T) {
	t.Parallel()
	var packageDocs []string
	for name, file := range lifeFiles(t) {
		if file.Doc != nil {
			packageDocs = append(packageDocs, name)
		}
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if recv := lifeReceiver(decl); decl.Name.IsExported() && (recv == "" || ast.IsExported(recv)) && !lifeInterface[decl.Name.Name] {
					doc := decl.Doc.Text()
					assert.True(t, strings.HasPrefix(doc, decl.Name.Name+" "), "%s: %s.%s: %q", name, recv, decl.Name, doc)
				}
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						if spec.Name.IsExported() {
							assert.NotEmpty(t, decl.Doc.Text()+spec.Doc.Text(), "%s: type %s", name, spec.Name)
						}
					case *ast.ValueSpec:
						for _, id := range spec.Names {
							if id.IsExported() {
								assert.NotEmpty(t, decl.Doc.Text()+spec.Doc.Text()+spec.Comment.Text(), "%s: %s", name, id)
							}
						}
					}
				}
			}
		}
	}
	assert.Len(t, packageDocs, 1, "one file has the package doc")
}

// lifeInterface is what needs no words: everybody knows an error's method.
var lifeInterface = map[string]bool{"Error": true}

func TestV1SaysWhenItEnds(t *testing.T) {
	t.Parallel()
	for _, file := range lifeFiles(t) {
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.TYPE {
				continue
			}
			switch name := gen.Specs[0].(*ast.TypeSpec).Name.Name; name {
			case "SourcesService", "DestinationsService", "WorkspacesService":
				first, _, _ := strings.Cut(gen.Doc.Text(), "\n\n")
				assert.Contains(t, strings.Join(strings.Fields(first), " "), "15 January 2027", name)
			}
			assert.NotContains(t, gen.Doc.Text(), "Deprecated:", "today's users are on V1")
		}
	}
}

func TestIDsStayOnePathElement(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	named := map[string]func(c *connectlinks.Client, s string) error{
		"Activations.Get":    func(c *connectlinks.Client, s string) error { _, err := c.Activations.Get(ctx, s); return err },
		"Activations.Delete": func(c *connectlinks.Client, s string) error { return c.Activations.Delete(ctx, s) },
		"Activations.CreateReauthorizationLink": func(c *connectlinks.Client, s string) error {
			_, err := c.Activations.CreateReauthorizationLink(ctx, s, connectlinks.CreateReauthorizationLinkParams{})
			return err
		},
		"Activations.WaitForReauthorization": func(c *connectlinks.Client, s string) error {
			_, err := c.Activations.WaitForReauthorization(ctx, 1, s, time.Now())
			return err
		},
		"Activations.GetType":  func(c *connectlinks.Client, s string) error { _, err := c.Activations.GetType(ctx, s); return err },
		"Destinations.GetType": func(c *connectlinks.Client, s string) error { _, err := c.Destinations.GetType(ctx, s); return err },
		"Sources.GetType":      func(c *connectlinks.Client, s string) error { _, err := c.Sources.GetType(ctx, s); return err },
	}
	bad := []string{"", ".", "..", "/", "a/b", "../a", "a/", "?", "a?b=c", "%", "%2e%2e", "a%2Fb", " ", "a b", "a\tb", "a\n", "a\x00", `a\b`, "\u00a0"}
	for name, f := range named {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := lifeClient(t, lifeRT(func(r *http.Request) (*http.Response, error) {
				t.Errorf("sent: %s", r.URL.Path)
				return lifeAnswer(http.StatusNotFound, "{}")
			}))
			for _, id := range bad {
				input := new(connectlinks.InputError)
				if assert.ErrorAs(t, f(client, id), &input, "%q", id) {
					assert.Contains(t, []string{"id", "activationID", "serviceName"}, input.Field, "%q", id)
				}
			}
		})
	}

	for id, want := range map[string]string{
		"glimmering_donkey": "/api/v2/activations/glimmering_donkey",
		"a.b-c~d":           "/api/v2/activations/a.b-c~d",
		"...":               "/api/v2/activations/...",
		"a;b":               "/api/v2/activations/a%3Bb",
		"a#b":               "/api/v2/activations/a%23b",
		"ü":                 "/api/v2/activations/%C3%BC",
		"a&b=c+d:e@f$g":     "/api/v2/activations/a&b=c+d:e@f$g",
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			client, requests := lifeServer(t, http.StatusOK, lifeData(t, "activation.json"))
			_, err := client.Activations.Get(ctx, id)
			require.NoError(t, err)
			require.Len(t, requests(), 1)
			assert.Equal(t, lifePrefix+want, requests()[0].Path)
			got, err := url.PathUnescape(strings.TrimPrefix(requests()[0].Path, lifePrefix+"/api/v2/activations/"))
			require.NoError(t, err)
			assert.Equal(t, id, got)
		})
	}
}

func TestIntegerIDsArePositive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		none := connectlinks.CreateReauthorizationLinkParams{}
		calls := map[string]func(c *connectlinks.Client, id int64) error{
			"Sources.GetConnectLink": func(c *connectlinks.Client, id int64) error { _, err := c.Sources.GetConnectLink(ctx, id); return err },
			"Sources.RevokeConnectLink": func(c *connectlinks.Client, id int64) error {
				_, err := c.Sources.RevokeConnectLink(ctx, id)
				return err
			},
			"Sources.WaitForConnection": func(c *connectlinks.Client, id int64) error {
				_, err := c.Sources.WaitForConnection(ctx, id)
				return err
			},
			"Sources.Get":         func(c *connectlinks.Client, id int64) error { _, err := c.Sources.Get(ctx, id); return err },
			"Sources.Delete":      func(c *connectlinks.Client, id int64) error { return c.Sources.Delete(ctx, id) },
			"Destinations.Get":    func(c *connectlinks.Client, id int64) error { _, err := c.Destinations.Get(ctx, id); return err },
			"Destinations.Delete": func(c *connectlinks.Client, id int64) error { return c.Destinations.Delete(ctx, id) },
			"Activations.GetConnectLink": func(c *connectlinks.Client, id int64) error {
				_, err := c.Activations.GetConnectLink(ctx, id)
				return err
			},
			"Workspaces.APIKey": func(c *connectlinks.Client, id int64) error { _, err := c.Workspaces.APIKey(ctx, id); return err },
			"Workspaces.TokenSource": func(c *connectlinks.Client, id int64) error {
				_, err := c.Workspaces.TokenSource(id).Token(ctx)
				return err
			},
			"Destinations.GetConnectLink": func(c *connectlinks.Client, id int64) error {
				_, err := c.Destinations.GetConnectLink(ctx, id)
				return err
			},
			"Activations.RevokeConnectLink": func(c *connectlinks.Client, id int64) error {
				_, err := c.Activations.RevokeConnectLink(ctx, id)
				return err
			},
			"Sources.CreateReauthorizationLink": func(c *connectlinks.Client, id int64) error {
				_, err := c.Sources.CreateReauthorizationLink(ctx, id, none)
				return err
			},
			"Destinations.CreateReauthorizationLink": func(c *connectlinks.Client, id int64) error {
				_, err := c.Destinations.CreateReauthorizationLink(ctx, id, none)
				return err
			},
		}
		client := lifeClient(t, lifeRT(func(r *http.Request) (*http.Response, error) {
			t.Errorf("sent: %s", r.URL.Path)
			return lifeAnswer(http.StatusNotFound, "{}")
		}))
		for name, f := range calls {
			for _, id := range []int64{0, -1, -1 << 63} {
				input := new(connectlinks.InputError)
				if assert.ErrorAs(t, f(client, id), &input, "%s(%d)", name, id) {
					assert.Contains(t, []string{"id", "linkID", "workspaceID"}, input.Field, name)
					assert.NotEmpty(t, input.Reason)
				}
			}
		}
	})
}
