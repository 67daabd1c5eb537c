//go:build doccheck

package doccheck_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// root is the root directory of the module.
const root = "../.."

func services() map[string]reflect.Type {
	services := map[string]reflect.Type{}
	client := reflect.TypeFor[connectlinks.Client]()
	for i := range client.NumField() {
		if f := client.Field(i); f.IsExported() {
			services[f.Name] = f.Type
		}
	}
	return services
}

// sources are the files of the root package, without its tests.
var sources = sync.OnceValues(func() (map[string]*ast.File, error) {
	names, err := filepath.Glob(filepath.Join(root, "*.go"))
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

func files(t *testing.T) map[string]*ast.File {
	t.Helper()
	files, err := sources()
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// receiver returns the name of a method's type, or "" for a function.
func receiver(f *ast.FuncDecl) string {
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

// methods returns a service's exported methods, in the order of its file.
func methods(t *testing.T, service string) []*ast.FuncDecl {
	t.Helper()
	var methods []*ast.FuncDecl
	for _, file := range files(t) {
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && receiver(f) == service && f.Name.IsExported() {
				methods = append(methods, f)
			}
		}
	}
	require.NotEmpty(t, methods, service)
	return methods
}

func methodNames(t *testing.T, service string) []string {
	t.Helper()
	var names []string
	for _, m := range methods(t, service) {
		names = append(names, m.Name.Name)
	}
	return names
}

func TestServicesHaveTheSameMethods(t *testing.T) {
	t.Parallel()
	// The names of the three kinds become the same.
	kinds := strings.NewReplacer("Source", "X", "Destination", "X", "Activation", "X", "source", "x", "destination", "x", "activation", "x")

	sources := methodNames(t, "SourcesService")
	assert.Equal(t, sources, methodNames(t, "DestinationsService"), "the same methods in the same order")
	activations := slices.Clone(sources)
	activations[slices.Index(activations, "WaitForConnection")] = "WaitForActivation"
	activations = append(activations, "GetSource")
	assert.Equal(t, activations, methodNames(t, "ActivationsService"), "the same, except for two")

	params := func(f *ast.FuncDecl) (names []string) {
		for _, field := range f.Type.Params.List {
			for _, name := range field.Names {
				names = append(names, kinds.Replace(name.Name))
			}
		}
		return names
	}
	in, out := methods(t, "SourcesService"), methods(t, "DestinationsService")
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
	apiLine     = regexp.MustCompile(`(?m)^API: ((?:GET|POST|DELETE) /api/v[12](?:/[a-z_]+|/\{[a-z_]+\})+)$`)
	pageLine    = regexp.MustCompile(`(?m)^https://fivetran\.com/docs/activations/rest-api/api-reference/[a-z0-9/-]+$`)
	placeholder = regexp.MustCompile(`\{\w+\}`)
)

// anyPlaceholders returns the route without the names of its placeholders.
func anyPlaceholders(pattern string) string { return placeholder.ReplaceAllString(pattern, "{}") }

// routeOf returns the route in a method's doc comment, or "".
func routeOf(t *testing.T, m *ast.FuncDecl) string {
	t.Helper()
	lines := apiLine.FindAllStringSubmatch(m.Doc.Text(), -1)
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
	for name := range services() {
		for _, m := range methods(t, name+"Service") {
			route, page := routeOf(t, m), pageLine.FindString(m.Doc.Text())
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
	for name := range services() {
		for _, m := range methods(t, name+"Service") {
			documented[name+"."+m.Name.Name] = routeOf(t, m)
		}
	}
	for _, c := range testkit.Calls() {
		if route := documented[c.Name]; route != "" {
			assert.Regexp(t, "^"+placeholder.ReplaceAllString(route, `[^/]+`)+"$", c.Request(), c.Name)
		}
	}
	for name, route := range documented {
		service, method, _ := strings.Cut(name, ".")
		if one, ok := strings.CutPrefix(method, "All"); ok {
			assert.Equal(t, documented[service+".List"+one], route, name)
		}
	}
}

func TestSandboxServesWhatDocCommentsName(t *testing.T) {
	t.Parallel()
	// Routes for other clients of the API, which the SDK does not call.
	others := []string{
		"GET /api/v1/syncs",
		"GET /api/v1/sources/{}/filter_segments",
		"GET /api/v1/sync_management_links",
		"POST /api/v1/sync_management_links",
	}
	var served, documented []string
	for _, pattern := range connectlinkstest.Routes() {
		served = append(served, anyPlaceholders(string(pattern)))
	}
	for name := range services() {
		for _, m := range methods(t, name+"Service") {
			if route := routeOf(t, m); route != "" {
				documented = append(documented, anyPlaceholders(route))
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
	for name, file := range files(t) {
		if file.Doc != nil {
			packageDocs = append(packageDocs, name)
		}
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if recv := receiver(decl); decl.Name.IsExported() && (recv == "" || ast.IsExported(recv)) && !needsNoComment[decl.Name.Name] {
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

// needsNoComment are methods that every Go programmer knows.
var needsNoComment = map[string]bool{"Error": true}

func TestDocCommentsSayWhenV1Ends(t *testing.T) {
	t.Parallel()
	for _, file := range files(t) {
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
