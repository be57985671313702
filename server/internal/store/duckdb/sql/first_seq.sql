-- The first seq that any table holds; NULL where all are empty.
SELECT least(
    (SELECT min(seq) FROM requests), (SELECT min(seq) FROM navigations), (SELECT min(seq) FROM web_vitals),
    (SELECT min(seq) FROM errors), (SELECT min(seq) FROM actions), (SELECT min(seq) FROM page_events), (SELECT min(seq) FROM spans)
)
