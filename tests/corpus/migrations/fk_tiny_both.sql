ALTER TABLE tenants ADD CONSTRAINT tenants_country_fk FOREIGN KEY (country) REFERENCES countries (code);
