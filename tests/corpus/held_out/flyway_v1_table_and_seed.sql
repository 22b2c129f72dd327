CREATE TABLE currency (
    iso      char(3)      NOT NULL CONSTRAINT pk_currency PRIMARY KEY,
    digits   smallint     NOT NULL DEFAULT 2
);
INSERT INTO currency (iso) VALUES ('EUR'), ('USD'), ('CHF');
ALTER TABLE orders ADD CONSTRAINT fk_orders_currency FOREIGN KEY (currency) REFERENCES currency;
