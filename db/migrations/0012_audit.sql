-- The audit log. A row is never changed; rows go from the front alone, and only after a row that says so (audit_pruned).
-- What a row holds is bound by a keyed code over the row and the digest of the one before it (db/audit-chain.ts), so that
-- who can write here, and take the triggers away, still cannot change it unseen.

CREATE TABLE audit_log (
  seq     bigint PRIMARY KEY CHECK (seq > 0),
  at      timestamptz NOT NULL,
  actor   text NOT NULL,
  action  text NOT NULL,
  subject text NOT NULL,
  -- The JSON text that the code was made over, as it was: jsonb would say the same otherwise.
  details text NOT NULL CHECK (details IS JSON OBJECT),
  key_id  text NOT NULL CHECK (key_id ~ '^[0-9a-f]{16}$'),
  prev    bytea NOT NULL CHECK (length(prev) = 32),
  mac     bytea NOT NULL CHECK (length(mac) = 32)
);
COMMENT ON TABLE audit_log IS 'Who did what to whom. Append-only and chained: npm run audit -- --verify';
COMMENT ON COLUMN audit_log.seq IS 'Without gaps, from 1';
COMMENT ON COLUMN audit_log.prev IS 'SHA-256 of the row before, of every column of it; 32 zero bytes before the first';
COMMENT ON COLUMN audit_log.mac IS 'HMAC-SHA-256 of this row''s own digest, under the key that key_id names';

-- The page of the privacy officer asks for the newest of one kind.
CREATE INDEX audit_log_by_subject ON audit_log (subject, seq);
CREATE INDEX audit_log_by_actor ON audit_log (actor, seq);
CREATE INDEX audit_log_by_action ON audit_log (action, seq);

CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND OLD.seq <= (
    SELECT (p.details::jsonb ->> 'through')::bigint FROM audit_log p WHERE p.action = 'audit_pruned' ORDER BY p.seq DESC LIMIT 1
  ) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'audit_log is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only();
CREATE TRIGGER audit_log_not_truncated BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();
