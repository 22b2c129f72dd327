SELECT k.word::text AS word
FROM pg_catalog.pg_get_keywords() k
WHERE k.catcode = 'R'
