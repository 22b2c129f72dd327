ALTER TABLE public.sessions ADD CONSTRAINT uc_sessions_token UNIQUE (token);
