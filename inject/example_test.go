package inject_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/throughline-rum/throughline/inject"
)

// The injector goes around the handler that makes the pages, and around whatever
// compresses them or not. Who counts Results sees why a page has no agent.
func Example() {
	pages := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, `<!doctype html><head><meta charset="utf-8"><title>Shop</title></head>`)
	})
	injector := &inject.Injector{
		Script: inject.Script{
			Src:        "/.throughline/throughline.js",
			Attributes: []inject.Attribute{{Name: "data-application-id", Value: "745a78fe5b6e57f6"}},
		},
		OnResult: func(r *http.Request, result inject.Result) { fmt.Println(r.URL.Path, result) },
	}
	handler := injector.Wrap(pages)

	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/shop", http.NoBody))
	fmt.Println(w.Body)
	// Output:
	// /shop injected
	// <!doctype html><head><meta charset="utf-8"><script src="/.throughline/throughline.js" data-application-id="745a78fe5b6e57f6"></script><title>Shop</title></head>
}
