package tracecontext_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// A backend asks whose request it answers. Several tracestate fields are one list.
func ExampleFindDtr() {
	header := http.Header{"Tracestate": {
		"rojo=00f067aa0ba902b7",
		"2ead957c-980df25b@dtr=1;97039bf817c8584a;1;745a78fe5b6e57f6;" +
			"1777270045450K7QJCFPI7NLPJ913DJBJK2MLMAS2UG2F;VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0",
	}}
	d, found, err := tracecontext.FindDtr(strings.Join(header.Values("tracestate"), ","), "2ead957c-980df25b")
	fmt.Println(found, err, d.SpanID, d.SessionID)
	// Output: true <nil> 97039bf817c8584a VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0
}

// A frontend sends a request: where the entry cannot be added, tracestate stays as it
// was, and traceparent is sent all the same.
func ExamplePutDtr() {
	tracestate := "rojo=00f067aa0ba902b7"
	d := tracecontext.Dtr{ApplicationID: "745a78fe5b6e57f6", Sampled: true}
	updated, err := tracecontext.PutDtr(tracestate, tracecontext.DefaultTenant, d)
	switch {
	case err == nil:
		tracestate = updated
	case errors.Is(err, tracecontext.ErrMissingValues):
		fmt.Println("hint: missing_values")
	case errors.Is(err, tracecontext.ErrMaxLength):
		fmt.Println("hint: max_length")
	}
	fmt.Println("tracestate:", tracestate)
	// Output:
	// hint: missing_values
	// tracestate: rojo=00f067aa0ba902b7
}

func ExampleTraceparent_String() {
	p, err := tracecontext.ParseTraceparent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-from-the-future")
	fmt.Println(p, p.Flags.Sampled(), err)
	// Output: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 true <nil>
}
