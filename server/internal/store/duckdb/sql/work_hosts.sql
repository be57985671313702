SELECT host FROM hosts WHERE host IN (SELECT unnest($1::VARCHAR[]))
