CREATE INDEX accounts_preferences_idx ON accounts USING gin (preferences);
