UPDATE "sessions" SET "data" = 'x' WHERE "sessions"."owner_oid" IN (SELECT U0."owner_oid" FROM "sessions" U0 ORDER BY U0."owner_oid" ASC LIMIT 1000);
