SELECT * FROM spans
WHERE /*rows*/ AND trace_id = /*trace*/
ORDER BY start, span_id
LIMIT /*limit*/
