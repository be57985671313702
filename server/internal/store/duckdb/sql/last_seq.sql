-- The last seq that was given; the upper bits of the watermark are one too.
SELECT greatest(
    (SELECT coalesce(max(seq), 0) FROM requests),
    (SELECT coalesce(max(seq), 0) FROM navigations),
    (SELECT coalesce(max(seq), 0) FROM web_vitals),
    (SELECT coalesce(max(seq), 0) FROM errors),
    (SELECT coalesce(max(seq), 0) FROM actions),
    (SELECT coalesce(max(seq), 0) FROM page_events),
    (SELECT coalesce(max(seq), 0) FROM spans),
    (SELECT watermark >> 20 FROM state)
)
