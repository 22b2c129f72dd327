WITH ranked AS (
    SELECT ctid, row_number() OVER (PARTITION BY "Item Name" ORDER BY "Id") AS place FROM "Legacy Items"
)
DELETE FROM "Legacy Items" l USING ranked r WHERE l.ctid = r.ctid AND r.place > 1;
CREATE UNIQUE INDEX legacy_items_name ON "Legacy Items" ("Item Name");
