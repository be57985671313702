package subject

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// Get asks a URL and returns the status and the body.
func (r *Running) Get(ctx context.Context, url string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	res, err := r.Client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return res.StatusCode, body, err
}

// getJSON asks a URL and decodes the answer; ok is false where it is 404.
func (r *Running) getJSON(ctx context.Context, url string, to any) (ok bool, err error) {
	status, body, err := r.Get(ctx, url)
	switch {
	case err != nil:
		return false, err
	case status == http.StatusNotFound:
		return false, nil
	case status != http.StatusOK:
		return false, fmt.Errorf("%s answered %d: %.200s", url, status, body)
	}
	return true, json.Unmarshal(body, to)
}

// spansOfOurs counts the spans of a trace in Throughline.
func spansOfOurs(ctx context.Context, r *Running, id tracecontext.TraceID) (int, error) {
	var trace struct {
		Rows []struct {
			Type string `json:"type"`
		} `json:"rows"`
	}
	if ok, err := r.getJSON(ctx, r.QueryURL+"/api/v1/traces/"+id.String(), &trace); !ok || err != nil {
		return 0, err
	}
	n := 0
	for _, row := range trace.Rows {
		if row.Type == "span" {
			n++
		}
	}
	return n, nil
}

// spansOfJaeger counts the spans of a trace in what answers Jaeger's HTTP API.
func spansOfJaeger(ctx context.Context, r *Running, id tracecontext.TraceID) (int, error) {
	var answer struct {
		Data []struct {
			Spans []struct{} `json:"spans"`
		} `json:"data"`
	}
	if ok, err := r.getJSON(ctx, r.QueryURL+"/api/traces/"+id.String(), &answer); !ok || err != nil {
		return 0, err
	}
	n := 0
	for _, trace := range answer.Data {
		n += len(trace.Spans)
	}
	return n, nil
}

// spansInFile counts how often a trace's id stands at the end of a file that the
// collector wrote. QueryURL is the file's name.
func spansInFile(_ context.Context, r *Running, id tracecontext.TraceID) (int, error) {
	const tail = 32 << 20
	file, err := os.Open(r.QueryURL)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	end, err := io.ReadAll(io.NewSectionReader(file, max(0, info.Size()-tail), tail))
	return bytes.Count(end, id[:]), err
}
