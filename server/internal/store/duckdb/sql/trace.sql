-- Spans of a trace, in no order.
SELECT * FROM spans
WHERE /*rows*/ AND trace_id = /*trace*/
LIMIT /*limit*/
