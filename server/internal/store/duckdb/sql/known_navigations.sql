SELECT id FROM navigations WHERE id IN (SELECT unnest($1::UBIGINT[]))
