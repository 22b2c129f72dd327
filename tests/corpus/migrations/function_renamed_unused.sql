ALTER FUNCTION next_tag() RENAME TO following_tag;
