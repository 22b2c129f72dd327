-- Names that want to be something else.
CREATE TABLE "x""; DROP DATABASE postgres; --" ("a""b" int, "%s" text, "{0}" int, "new
line" int);
CREATE INDEX "'; SELECT 1; --" ON "x""; DROP DATABASE postgres; --" ("%s");
ALTER TABLE "x""; DROP DATABASE postgres; --" ALTER "a""b" TYPE bigint;
CREATE SCHEMA indexpilot;
CREATE SCHEMA "sch'e""ma";
CREATE TABLE "sch'e""ma"."ǘüüüüüüüüüüüüüüüüüüüüüüüüüüüüü" (id int);
CREATE TABLE "sch'e""ma"."e\'vil$$name" (id int CHECK (id > 0), "select" int GENERATED ALWAYS AS (id * 2) STORED);
CREATE TYPE "odd"")type" AS ENUM ('a''b', 'c"d', '{"e":1}', E'f\\ng');
CREATE FUNCTION "f"")(" ("a b" int DEFAULT 1) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
COMMENT ON TABLE "sch'e""ma"."e\'vil$$name" IS '"; DROP TABLE c; --';
ALTER TABLE "sch'e""ma"."e\'vil$$name" RENAME TO "rewriting table ""c""";
ALTER TABLE "sch'e""ma"."rewriting table ""c""" ADD z uuid DEFAULT gen_random_uuid();
CREATE POLICY "p""; --" ON c USING (true);
CREATE VIEW "v%I" AS SELECT 1 AS "a{relations}b";
ALTER TABLE c RENAME COLUMN n TO "{relations}";
