-- Of days gone by the first snapshot of each server is enough.
DELETE FROM {schema}.counter_snapshots s
WHERE s.kind = 'usage'
  AND (s.taken_at < now() - %(keep)s * interval '1 second'
       OR s.taken_at < now() - interval '2 days'
          AND EXISTS (SELECT FROM {schema}.counter_snapshots e
                      WHERE e.kind = 'usage' AND e.id < s.id
                        AND e.counters ->> 'place' = s.counters ->> 'place'
                        AND e.taken_at::date = s.taken_at::date))
