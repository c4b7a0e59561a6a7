-- When each API key was last used. Apart from its settings, whose versions are the audit log.
CREATE TABLE key_uses (
  key_id TEXT PRIMARY KEY,
  used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
