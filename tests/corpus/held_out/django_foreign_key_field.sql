BEGIN;
ALTER TABLE "payments" ADD COLUMN "invoice_id" integer NULL CONSTRAINT "payments_invoice_id_fk" REFERENCES "billing"."invoices"("id") DEFERRABLE INITIALLY DEFERRED; SET CONSTRAINTS "payments_invoice_id_fk" IMMEDIATE;
CREATE INDEX "payments_invoice_id_ix" ON "payments" ("invoice_id");
COMMIT;
