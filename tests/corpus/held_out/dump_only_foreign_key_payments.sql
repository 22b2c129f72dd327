ALTER TABLE ONLY public.payments ADD CONSTRAINT payments_order_id_fk
    FOREIGN KEY (order_id) REFERENCES public.orders(id) ON UPDATE RESTRICT ON DELETE RESTRICT;
