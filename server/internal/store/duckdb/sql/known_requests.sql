SELECT id FROM requests WHERE id IN (SELECT unnest($1::UBIGINT[]))
