package api

import "net/http"

// Patterns returns the patterns of everything that the main port answers.
func Patterns(c Config) ([]string, error) {
	r := &routes{mux: http.NewServeMux()}
	err := route(r, &c)
	return r.patterns, err
}

// AgentFiles returns what the main port answers for the browser agent's files, which it is given, and for other paths of the UI.
func AgentFiles(file func(name string) ([]byte, error)) (http.Handler, error) {
	r := &routes{mux: http.NewServeMux()}
	err := routeAgent(r, file)
	routeUI(r)
	return r, err
}
