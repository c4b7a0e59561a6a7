-- Deliveries of one order key go one after the other: only the first unfinished one has a due time.
ALTER TABLE deliveries ADD COLUMN order_key TEXT;
CREATE INDEX deliveries_order ON deliveries (order_key)
  WHERE order_key IS NOT NULL AND state IN ('pending', 'leased');
