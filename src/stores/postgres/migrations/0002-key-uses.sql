-- When each API key was last used. Apart from its settings, whose versions are the audit log.
CREATE TABLE key_uses (
  key_id text NOT NULL,
  used_at bigint NOT NULL,
  PRIMARY KEY (key_id)
);
