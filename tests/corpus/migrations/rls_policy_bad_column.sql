CREATE POLICY accounts_owner ON accounts USING (owner = current_user);
