package api

import "net/http"

// Patterns returns the patterns of everything that the main port answers.
func Patterns(c Config) ([]string, error) {
	r := &routes{mux: http.NewServeMux()}
	err := route(r, &c)
	return r.patterns, err
}
