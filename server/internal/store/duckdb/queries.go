package duckdb

import (
	_ "embed"
)

var (
	//go:embed sql/schema.sql
	sqlSchema string
	//go:embed sql/judged.sql
	sqlJudged string
	//go:embed sql/last_seq.sql
	sqlLastSeq string

	//go:embed sql/known_requests.sql
	sqlKnownRequests string
	//go:embed sql/known_navigations.sql
	sqlKnownNavigations string
	//go:embed sql/known_web_vitals.sql
	sqlKnownWebVitals string
	//go:embed sql/known_spans.sql
	sqlKnownSpans string
	//go:embed sql/put_hosts.sql
	sqlPutHosts string
	//go:embed sql/put_links.sql
	sqlPutLinks string

	//go:embed sql/requests.sql
	sqlRequests string
	//go:embed sql/request.sql
	sqlRequest string
	//go:embed sql/trace.sql
	sqlTrace string

	//go:embed sql/work_last.sql
	sqlWorkLast string
	//go:embed sql/work_causes.sql
	sqlWorkCauses string
	//go:embed sql/work_due.sql
	sqlWorkDue string
	//go:embed sql/work_requests.sql
	sqlWorkRequests string
	//go:embed sql/work_traces.sql
	sqlWorkTraces string
	//go:embed sql/work_dtr.sql
	sqlWorkDtr string
	//go:embed sql/work_hosts.sql
	sqlWorkHosts string
)

const (
	sqlWatermark    = "SELECT watermark FROM link_state"
	sqlPutWatermark = "UPDATE link_state SET watermark = $1"
)

// sqlIDs lists the keys of each table, for the writer's filters.
var sqlIDs = [tables]string{
	"SELECT id FROM requests",
	"SELECT id FROM navigations",
	"SELECT id FROM web_vitals",
	"SELECT span_id, trace_id FROM spans",
}
