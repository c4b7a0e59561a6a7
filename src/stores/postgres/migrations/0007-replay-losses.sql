-- What retention had taken of a replay when it was made; null for those made before that was noted.
ALTER TABLE replays ADD COLUMN missing bigint;
ALTER TABLE replays ADD COLUMN cut_before bigint;
