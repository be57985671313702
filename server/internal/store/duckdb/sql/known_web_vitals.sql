SELECT id FROM web_vitals WHERE id IN (SELECT unnest($1::UBIGINT[]))
