ALTER TABLE events ADD COLUMN origin text DEFAULT 'web';
