-- The first $1 sessions by their last request, with what that says.
WITH latest AS MATERIALIZED (
    SELECT session_id, min(start) AS first, max(start) AS last, count(*) AS n, count(*) FILTER (kind = 'document') AS pages,
        count(*) FILTER (/*failed*/) AS failed, count(*) FILTER (link_status = 'linked') AS linked,
        count(*) FILTER (link_status = 'partial') AS partial, count(*) FILTER (link_status = 'unlinked') AS unlinked
    FROM requests
    WHERE session_id <> '' AND /*conditions*/
    GROUP BY session_id
    ORDER BY last DESC, session_id DESC
    LIMIT $1
)
SELECT s.session_id, r.application_id, r.instance_id, r.browser, r.browser_version, r.os, r.device, r.country, r.client_address,
    s.first, s.last, s.n, s.pages, s.failed, s.linked, s.partial, s.unlinked
FROM latest AS s
JOIN (SELECT * FROM requests WHERE session_id <> '' AND /*conditions*/) AS r ON r.session_id = s.session_id AND r.start = s.last
QUALIFY row_number() OVER (PARTITION BY s.session_id ORDER BY r.id DESC) = 1
ORDER BY s.last DESC, s.session_id DESC
