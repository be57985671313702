package archtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/throughline-rum/throughline"
	server = module + "/server"
)

// root is the repository's folder, seen from this package.
const root = "../../.."

type goPackage struct {
	ImportPath string
	Dir        string
	Doc        string
	GoFiles    []string
	Imports    []string
	Deps       []string
	Standard   bool
}

// list runs `go list -json` in a module's folder.
func list(t *testing.T, dir string, args ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,Doc,GoFiles,Imports,Deps,Standard"}, args...)...)
	cmd.Dir = filepath.Join(root, dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list in %s: %v\n%s", dir, err, stderr.Bytes())
	}
	var pkgs []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) == 0 {
		t.Fatalf("go list found no package in %s", dir)
	}
	return pkgs
}

func all(t *testing.T) []goPackage {
	t.Helper()
	return slices.Concat(list(t, ".", "./..."), list(t, "server", "./..."), list(t, "bench", "./..."))
}

// allowed is the import table: which of our own packages a package may import,
// by prefix. A package that no row covers may import none.
var allowed = []struct {
	pkg  string
	from []string
}{
	{module + "/wire/", []string{module + "/wire/"}},
	{module + "/browser", nil},
	{module + "/inject", nil},
	{module + "/firstparty", []string{module + "/browser"}},
	{module + "/proxy", []string{module + "$", module + "/wire/"}},
	{server + "/ui", nil},
	{server + "/internal/model", []string{module + "/wire/"}},
	{server + "/internal/config", []string{module + "$", module + "/wire/"}},
	{server + "/internal/archtest", nil},
	{server + "/internal/urlpattern", nil},
	{server + "/internal/ingest", []string{module + "/wire/", server + "/internal/model", server + "/internal/store$", server + "/internal/urlpattern"}},
	{server + "/internal/disk", nil},
	{server + "/internal/telemetry", nil},
	{server + "/internal/journal", []string{server + "/internal/disk"}},
	{server + "/internal/client", nil},
	{server + "/internal/guard", []string{module + "/wire/"}},
	{server + "/internal/store", []string{module + "/wire/", server + "/internal/disk", server + "/internal/model", server + "/internal/store"}},
	{server + "/internal/link", []string{module + "/wire/", server + "/internal/model", server + "/internal/store$"}},
	{server + "/internal/query", []string{module + "/wire/", server + "/internal/model", server + "/internal/store$"}},
	{server + "/internal/api", []string{module + "/wire/", module + "/browser", server + "/ui", server + "/internal/model", server + "/internal/query", server + "/internal/store$"}},
	// The demo is a user of the product: of the middleware and of the public API.
	{server + "/internal/demo", []string{module + "$", module + "/wire/", server + "/internal/query", server + "/internal/telemetry"}},
	{server + "/cmd/throughline", []string{module + "$", module + "/wire/", module + "/inject", module + "/firstparty", module + "/proxy", server + "/"}},
	// The benchmarks measure from the outside.
	// What costs too little to be seen in a process is called directly.
	{module + "/bench/agents", []string{module + "$", module + "/inject", module + "/bench/internal/"}},
	{module + "/bench", []string{module + "/wire/", module + "/bench/internal/"}},
	{module, []string{module + "/wire/"}},
}

func matches(pattern, path string) bool {
	if exact, ok := strings.CutSuffix(pattern, "$"); ok {
		return path == exact
	}
	return strings.HasPrefix(path, pattern)
}

func TestImportsGoOneWay(t *testing.T) {
	for _, p := range all(t) {
		i := slices.IndexFunc(allowed, func(r struct {
			pkg  string
			from []string
		}) bool {
			return strings.HasPrefix(p.ImportPath, r.pkg)
		})
		if i < 0 {
			t.Errorf("%s has no row in the import table", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			ours := imp == module || strings.HasPrefix(imp, module+"/")
			if ours && !slices.ContainsFunc(allowed[i].from, func(pattern string) bool { return matches(pattern, imp) }) {
				t.Errorf("%s imports %s, which the import table does not allow", p.ImportPath, imp)
			}
		}
	}
}

// TestLibraryIsLight: who imports the middleware gets the OpenTelemetry API and
// what that itself needs, and nothing else.
func TestLibraryIsLight(t *testing.T) {
	api := map[string]bool{}
	for _, p := range list(t, ".", "-deps", "go.opentelemetry.io/otel/trace", "go.opentelemetry.io/otel/attribute") {
		api[p.ImportPath] = true
	}
	for _, p := range list(t, ".", "-deps", ".") {
		if !p.Standard && !api[p.ImportPath] && !strings.HasPrefix(p.ImportPath, module) {
			t.Errorf("package throughline pulls in %s, which is not part of the OpenTelemetry API", p.ImportPath)
		}
	}
}

// TestPackageDocs: one package comment per package, in one file, of one to six
// lines that say what the package is.
func TestPackageDocs(t *testing.T) {
	for _, p := range all(t) {
		var docs []string
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			if text := comment(f.Doc); text != "" {
				docs = append(docs, text)
			}
		}
		if len(docs) != 1 {
			t.Errorf("%s has %d package comments, want 1", p.ImportPath, len(docs))
		}
	}
}

func comment(c *ast.CommentGroup) string {
	if c == nil {
		return ""
	}
	return c.Text()
}

// sources walks the files of the repository that people write.
func sources(t *testing.T, visit func(path string, content []byte)) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case ".git", ".cache", "node_modules", "dist", "bin", "out":
				return filepath.SkipDir
			}
			return nil
		}
		switch filepath.Ext(path) {
		case ".go", ".ts", ".tsx", ".mjs", ".css", ".sql", ".html":
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			seen++
			visit(strings.TrimPrefix(path, root+"/"), content)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen == 0 {
		t.Fatal("no source file was found")
	}
}

// generatedFile is the head of what a generator wrote, which nobody reads whole.
var generatedFile = regexp.MustCompile(`\A/\*\*\n \* This file was auto-generated by [a-z-]+\.\n`)

var testFile = regexp.MustCompile(`(_test\.go|\.(test|spec)\.tsx?)$|/test/`)

// maxLines keeps files small enough to be read at one sitting.
const maxLines = 600

func TestFilesAreShort(t *testing.T) {
	sources(t, func(path string, content []byte) {
		if n := bytes.Count(content, []byte("\n")); n > maxLines && !testFile.MatchString(path) && !generatedFile.Match(content) {
			t.Errorf("%s has %d lines, more than %d", path, n, maxLines)
		}
	})
}

func TestTestsDoNotSleep(t *testing.T) {
	sleep := regexp.MustCompile(`time\.Sleep\(|waitForTimeout\(|setTimeout\(r`)
	sources(t, func(path string, content []byte) {
		if !testFile.MatchString(path) || strings.HasPrefix(path, "server/internal/archtest/") {
			return
		}
		lines := bufio.NewScanner(bytes.NewReader(content))
		for n := 1; lines.Scan(); n++ {
			if sleep.Match(lines.Bytes()) {
				t.Errorf("%s:%d sleeps: %s", path, n, lines.Text())
			}
		}
	})
}

// TestDocsNameWhatExists: every path in backquotes in the guides of the
// repository's top is there.
func TestDocsNameWhatExists(t *testing.T) {
	path := regexp.MustCompile("`((?:bench|browser|docs|e2e|firstparty|inject|proxy|server|wire|examples)/[A-Za-z0-9_./-]*)`")
	named := 0
	for _, doc := range []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "docs/dependencies.md", "docs/operate.md"} {
		text, err := os.ReadFile(filepath.Join(root, doc))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, m := range path.FindAllSubmatch(text, -1) {
			named++
			if strings.Contains(string(m[1]), "/dist/") {
				continue // made by the build
			}
			if _, err := os.Stat(filepath.Join(root, string(m[1]))); err != nil {
				t.Errorf("%s names %s, which does not exist", doc, m[1])
			}
		}
	}
	if named == 0 {
		t.Error("the guides name no path at all")
	}
}
