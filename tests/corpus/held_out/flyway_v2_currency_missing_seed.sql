CREATE TABLE currency (iso char(3) NOT NULL CONSTRAINT pk_currency PRIMARY KEY);
INSERT INTO currency (iso) VALUES ('USD'), ('CHF');
ALTER TABLE orders ADD CONSTRAINT fk_orders_currency FOREIGN KEY (currency) REFERENCES currency;
