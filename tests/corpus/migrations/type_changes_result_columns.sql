ALTER TABLE "Legacy Items" ALTER COLUMN "Item Name" TYPE varchar(100);
