ALTER TABLE public.orders ADD CHECK (discount < 1000);
