package servertiming_test

import (
	"fmt"
	"net/http"

	"github.com/throughline-rum/throughline/wire/servertiming"
)

// Several fields are read together; names have no case.
func ExampleRead() {
	header := http.Header{"Server-Timing": {
		`dtTrId;desc="2fdcef91d451fdffd6e5e36abc6bb609", dtSInfo;desc="0"`,
		`dtRpid;desc="-609157671"`,
	}}
	info := servertiming.Read(header.Values("Server-Timing")...)
	fmt.Println(info.Outcome, info.TraceID, *info.Sampled, *info.ResponseID)
	// Output: received 2fdcef91d451fdffd6e5e36abc6bb609 false -609157671
}

func ExampleMetrics() {
	for m := range servertiming.Metrics(`miss, db;dur=53`, `cache;desc="Cache Read";dur=23.2`) {
		fmt.Printf("%s %v %q\n", m.Name, m.Duration, m.Description)
	}
	// Output:
	// miss 0 ""
	// db 53 ""
	// cache 23.2 "Cache Read"
}

// With rules, Timing-Allow-Origin names the one origin that asked.
func ExampleRuleSet_Decide() {
	rules, err := servertiming.NewRuleSet(servertiming.Rule{Matcher: servertiming.EndsWith, Pattern: ".example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%+v\n", rules.Decide(servertiming.Request{Origin: "https://shop.example.com"}))
	fmt.Printf("%+v\n", rules.Decide(servertiming.Request{Referer: "https://other.example/page"}))
	// Output:
	// {ServerTiming:true AllowOrigin:https://shop.example.com VaryOrigin:true}
	// {ServerTiming:false AllowOrigin: VaryOrigin:true}
}
