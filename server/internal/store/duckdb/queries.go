package duckdb

import (
	_ "embed"
)

// One query a file. A comment in a query stands where Go puts in what is no parameter: /*rows*/ a
// stretch of rows, /*conditions*/ those of a filter, /*trace*/ a trace id, /*limit*/ a number.
var (
	//go:embed sql/schema.sql
	sqlSchema string
	//go:embed sql/schema_2.sql
	sqlSchema2 string
	//go:embed sql/schema_3.sql
	sqlSchema3 string
	//go:embed sql/migrate_1.sql
	sqlMigrate1 string
	//go:embed sql/migrate_2.sql
	sqlMigrate2 string
	//go:embed sql/migrate_3.sql
	sqlMigrate3 string
	//go:embed sql/put_group.sql
	sqlPutGroup string
	//go:embed sql/judged.sql
	sqlJudged string
	//go:embed sql/last_seq.sql
	sqlLastSeq string

	//go:embed sql/known.sql
	sqlKnown string
	//go:embed sql/known_spans.sql
	sqlKnownSpans string
	//go:embed sql/seq_of_request.sql
	sqlSeqOfRequest string
	//go:embed sql/put_hosts.sql
	sqlPutHosts string
	//go:embed sql/put_service.sql
	sqlPutService string
	//go:embed sql/put_links.sql
	sqlPutLinks string
	//go:embed sql/put_joined.sql
	sqlPutJoined string

	//go:embed sql/requests.sql
	sqlRequests string
	//go:embed sql/requests_by_seq.sql
	sqlRequestsBySeq string
	//go:embed sql/request.sql
	sqlRequest string
	//go:embed sql/tail.sql
	sqlTail string
	//go:embed sql/trace.sql
	sqlTrace string
	//go:embed sql/trace_first.sql
	sqlTraceFirst string
	//go:embed sql/trace_requests.sql
	sqlTraceRequests string
	//go:embed sql/traces_newest.sql
	sqlTracesNewest string
	//go:embed sql/traces_first.sql
	sqlTracesFirst string
	//go:embed sql/trace_sums.sql
	sqlTraceSums string
	//go:embed sql/facet.sql
	sqlFacet string
	//go:embed sql/coverage.sql
	sqlCoverage string
	//go:embed sql/endpoints.sql
	sqlEndpoints string
	//go:embed sql/map_frontends.sql
	sqlMapFrontends string
	//go:embed sql/map_services.sql
	sqlMapServices string
	//go:embed sql/map_more.sql
	sqlMapMore string
	//go:embed sql/services.sql
	sqlServices string
	//go:embed sql/sessions.sql
	sqlSessions string
	//go:embed sql/navigations.sql
	sqlNavigations string
	//go:embed sql/error_groups.sql
	sqlErrorGroups string
	//go:embed sql/errors.sql
	sqlErrors string
	//go:embed sql/events.sql
	sqlEvents string
	//go:embed sql/annotations.sql
	sqlAnnotations string
	//go:embed sql/usage.sql
	sqlUsage string
	//go:embed sql/first_seq.sql
	sqlFirstSeq string
	//go:embed sql/expire.sql
	sqlExpire string

	//go:embed sql/work_last.sql
	sqlWorkLast string
	//go:embed sql/work_fresh.sql
	sqlWorkFresh string
	//go:embed sql/work_causes.sql
	sqlWorkCauses string
	//go:embed sql/work_older.sql
	sqlWorkOlder string
	//go:embed sql/work_joined.sql
	sqlWorkJoined string
	//go:embed sql/work_due.sql
	sqlWorkDue string
	//go:embed sql/work_traces.sql
	sqlWorkTraces string
	//go:embed sql/work_beyond.sql
	sqlWorkBeyond string
	//go:embed sql/work_dtr.sql
	sqlWorkDtr string
	//go:embed sql/work_hosts.sql
	sqlWorkHosts string
	//go:embed sql/work_answers.sql
	sqlWorkAnswers string
)

const (
	sqlPosition     = "SELECT position FROM state"
	sqlPutPosition  = "UPDATE state SET position = $1"
	sqlWatermark    = "SELECT watermark FROM state"
	sqlPutWatermark = "UPDATE state SET watermark = $1"
	sqlPutFilter    = "INSERT INTO directory_%d VALUES ($1, $2, $3, $4)"
	sqlGroups       = "SELECT table_name[11:]::UBIGINT AS first FROM duckdb_tables() WHERE starts_with(table_name, 'directory_') ORDER BY first"
	sqlGroup        = "SELECT level, first_seq, last_seq, filter FROM directory_%d ORDER BY last_seq, level"
	sqlForgetGroup  = "DROP TABLE IF EXISTS directory_%d"
	sqlForgetJoined = "DELETE FROM joined WHERE request <= $1"
	sqlAnnotate     = "INSERT OR REPLACE INTO annotations VALUES ($1, $2, $3, $4, $5, $6, $7)"
	sqlUnannotate   = "DELETE FROM annotations WHERE id = $1"
)

// What the tables leave out where another column holds it too.
const (
	sqlAnswerTrace = "CASE WHEN answer_is_sent THEN sent_trace_id ELSE answer_trace_id END"
	sqlDtrSpan     = "CASE WHEN dtr_is_parent THEN parent_span_id ELSE dtr_span_id END"
)

// sqlKeys reads the keys of each table's rows in a stretch, for the directory.
var sqlKeys = [tables]string{
	`SELECT seq, id, session_id, page_id, sent_trace_id,
		` + sqlAnswerTrace + `, sent_span_id, answer_response_id,
		CASE WHEN answer_response_id IS NULL THEN '' ELSE url END FROM requests WHERE seq BETWEEN $1 AND $2`,
	"SELECT seq, id, session_id, page_id FROM navigations WHERE seq BETWEEN $1 AND $2",
	"SELECT seq, id, session_id, page_id FROM web_vitals WHERE seq BETWEEN $1 AND $2",
	"SELECT seq, id, session_id, page_id FROM errors WHERE seq BETWEEN $1 AND $2",
	"SELECT seq, id, session_id, page_id FROM actions WHERE seq BETWEEN $1 AND $2",
	"SELECT seq, id, session_id, page_id FROM page_events WHERE seq BETWEEN $1 AND $2",
	`SELECT seq, trace_id, span_id,
		CASE WHEN kind = 2 AND dtr_state = 'valid' THEN ` + sqlDtrSpan + ` END
		FROM spans WHERE seq BETWEEN $1 AND $2`,
}
