SELECT (SELECT count(*) FROM requests), (SELECT count(*) FROM navigations), (SELECT count(*) FROM web_vitals),
    (SELECT count(*) FROM errors), (SELECT count(*) FROM actions), (SELECT count(*) FROM page_events), (SELECT count(*) FROM spans)
