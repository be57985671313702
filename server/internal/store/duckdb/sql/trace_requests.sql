-- The first requests, by their seq, that carried a trace or were answered with it, and all that are joined to it otherwise.
(
    SELECT seq FROM requests
    WHERE /*rows*/ AND (sent_trace_id = /*trace*/ OR answer_trace_id = /*trace*/)
    ORDER BY start DESC, id DESC
    LIMIT /*limit*/
)
UNION ALL
SELECT request FROM joined WHERE trace_id = /*trace*/
