-- What the school does with faces at all, and cards, with which no face is needed.

ALTER TABLE school
  ADD COLUMN policy text NOT NULL DEFAULT 'default' CHECK (policy IN ('default', 'verify-only', 'no-biometrics')),
  ADD COLUMN policy_changed_at timestamptz,
  ADD COLUMN policy_changed_by text;
COMMENT ON COLUMN school.policy IS 'default: kiosks recognise the students of their lesson. verify-only: a PIN or a card says who, and one face is compared with that one student''s templates. no-biometrics: nothing of any face is kept, whoever writes it; setting it erases what there is, in the same transaction. Agrees with SchoolPolicy of #contract/policy.';

-- ---------------------------------------------------------------- no biometrics: not one row

-- Who writes what is made of a face holds this lock shared until the commit, who changes the policy holds it alone: a
-- template is either there to be erased, or comes later and is refused.
CREATE FUNCTION policy_lock() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN hashtext('fastrackai.policy');

CREATE FUNCTION refuse_biometrics() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(policy_lock());
  IF (SELECT s.policy FROM school s) = 'no-biometrics' THEN
    RAISE EXCEPTION '% into % is refused: the school''s policy is no-biometrics, and nothing of a face is kept', TG_OP, TG_TABLE_NAME
      USING ERRCODE = 'check_violation', CONSTRAINT = 'no_biometrics', HINT = 'The privacy officer sets the policy.';
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION refuse_biometrics IS 'Of every table that holds something made of a face, or the key to it. Its rows are erased by erase_biometrics.';
CREATE TRIGGER a_policy_may_refuse BEFORE INSERT OR UPDATE ON templates FOR EACH ROW EXECUTE FUNCTION refuse_biometrics();
CREATE TRIGGER a_policy_may_refuse BEFORE INSERT OR UPDATE ON compared_faces FOR EACH ROW EXECUTE FUNCTION refuse_biometrics();
CREATE TRIGGER a_policy_may_refuse BEFORE INSERT OR UPDATE ON look_alikes FOR EACH ROW EXECUTE FUNCTION refuse_biometrics();

CREATE TRIGGER a_policy_may_refuse BEFORE INSERT OR UPDATE ON keyring.students FOR EACH ROW EXECUTE FUNCTION refuse_biometrics();

CREATE FUNCTION erase_biometrics() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- The students' keys go with their templates (0011), and are named here for those that would not.
  DELETE FROM templates;
  DELETE FROM keyring.students;
  DELETE FROM compared_faces;
  DELETE FROM look_alikes;
  RETURN NULL;
END $$;

CREATE FUNCTION change_policy_alone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(policy_lock());
  RETURN NULL;
END $$;
-- Before the row of the school is locked: a template's commit moves roster_version there, and would wait for it.
CREATE TRIGGER policy_changes_alone BEFORE UPDATE OF policy ON school FOR EACH STATEMENT EXECUTE FUNCTION change_policy_alone();
CREATE TRIGGER no_biometrics_erases AFTER UPDATE OF policy ON school FOR EACH ROW
  WHEN (NEW.policy = 'no-biometrics') EXECUTE FUNCTION erase_biometrics();
CREATE CONSTRAINT TRIGGER policy_moves_roster_version AFTER UPDATE OF policy ON school
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.policy <> NEW.policy) EXECUTE FUNCTION move_roster_version();

-- ---------------------------------------------------------------- cards

CREATE TABLE student_cards (
  student_id   wire_id PRIMARY KEY REFERENCES students ON DELETE CASCADE,
  token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
  made_at      timestamptz NOT NULL
);
COMMENT ON TABLE student_cards IS 'The card in force of each student who has one: a new card takes the place of a lost one, which is then nobody''s.';
COMMENT ON COLUMN student_cards.token_sha256 IS 'SHA-256 of the 32 letters (128 random bits) that stand on the card as a QR code. They themselves are only on the card.';
CREATE CONSTRAINT TRIGGER student_cards_move_roster_version AFTER INSERT OR UPDATE OR DELETE ON student_cards
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION move_roster_version();

ALTER TABLE attendance_logs
  DROP CONSTRAINT method_is_known,
  ADD CONSTRAINT method_is_known CHECK (method IN ('face', 'face_and_tap', 'face_and_pin', 'pin', 'face_and_qr', 'qr'));
COMMENT ON COLUMN attendance_logs.method IS 'The face alone; the face with a tap, a PIN or a card (QR); a PIN alone; a card alone. NULL: a script''s record, or one from before this was told.';

-- ---------------------------------------------------------------- who takes a register

COMMENT ON TABLE lesson_watches IS 'Which kiosk watched which lesson: with a live camera and a loaded model, or, where the school''s policy keeps the camera closed, with the lesson on its screen and PINs and cards to be marked by.';
