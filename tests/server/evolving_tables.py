"""The tables of the tests of schema changes."""

ENTANGLED = """
CREATE TABLE public.customers (id int PRIMARY KEY, email text NOT NULL);
CREATE TABLE public.orders (id bigint PRIMARY KEY, customer_id int REFERENCES public.customers,
    status varchar(10) NOT NULL DEFAULT 'new', price numeric(10, 2), note text,
    total numeric GENERATED ALWAYS AS (price * 2) STORED);
INSERT INTO public.customers VALUES (1, 'a@b'), (2, 'c@d');
INSERT INTO public.orders SELECT i, 1 + i % 2, 'open', i, 'n' || i FROM generate_series(1, 300) i;
CREATE INDEX orders_status_idx ON public.orders (status);
CREATE INDEX orders_lower_idx ON public.orders (lower(status)) INCLUDE (id) WHERE status <> 'done';
ALTER TABLE public.orders ADD CONSTRAINT status_short CHECK (length(status) < 8 AND id > 0);
CREATE STATISTICS public.orders_st ON status, customer_id FROM public.orders;
CREATE VIEW public.open_orders AS SELECT id, note FROM public.orders WHERE status = 'open';
CREATE VIEW public.open_ids AS SELECT id FROM public.open_orders;
CREATE MATERIALIZED VIEW public.by_status AS SELECT status, count(*) FROM public.orders GROUP BY status;
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS '
    BEGIN NEW.status := lower(NEW.status); RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE OF status ON public.orders FOR EACH ROW EXECUTE FUNCTION public.touch();
CREATE FUNCTION public.how_many(wanted text) RETURNS bigint LANGUAGE sql
    AS 'SELECT count(*) FROM public.orders WHERE status = wanted';
ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY only_open ON public.orders USING (status = 'open');
"""
PLAIN = """
CREATE TABLE public.plain (id int PRIMARY KEY, a int, b text);
INSERT INTO public.plain SELECT i, i, 'b' || i FROM generate_series(1, 200) i;
CREATE INDEX plain_a_idx ON public.plain (a);
"""
