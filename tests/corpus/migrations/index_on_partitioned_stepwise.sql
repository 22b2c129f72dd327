CREATE INDEX events_kind_idx ON ONLY events (kind);
CREATE INDEX CONCURRENTLY events_q1_kind_idx ON events_2025_q1 (kind);
CREATE INDEX CONCURRENTLY events_q2_kind_idx ON events_2025_q2 (kind);
CREATE INDEX CONCURRENTLY events_default_kind_idx ON events_default (kind);
ALTER INDEX events_kind_idx ATTACH PARTITION events_q1_kind_idx;
ALTER INDEX events_kind_idx ATTACH PARTITION events_q2_kind_idx;
ALTER INDEX events_kind_idx ATTACH PARTITION events_default_kind_idx;
