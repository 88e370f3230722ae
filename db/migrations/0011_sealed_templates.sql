-- Templates at rest: sealed under a key of each student's own, which lies in a schema of its own, wrapped under a key that is not in the database.

-- Apart, so that a backup that is kept for years can leave it out (pg_dump --exclude-schema=keyring): of a student who was erased since, that backup then opens nothing.
CREATE SCHEMA keyring;
COMMENT ON SCHEMA keyring IS 'Keys of the sealed templates, wrapped under SCHOOL_KEY. Back it up by itself, and keep the newest copy alone.';

CREATE TABLE keyring.students (
  student_id wire_id PRIMARY KEY,
  wrapped    bytea NOT NULL,
  -- 8 bytes that name the wrapping key, then the sealed 32 bytes of the student's.
  CONSTRAINT key_is_wrapped CHECK (octet_length(wrapped) = 8 + 32 + 29)
);
COMMENT ON TABLE keyring.students IS 'The key of each student who has templates. It goes with the last of them, in the same transaction, and with it every copy of them that lies anywhere. No foreign key: this schema is restored apart from the students.';

CREATE TABLE keyring.rotations (
  model   text PRIMARY KEY CHECK (embedding_length(model) IS NOT NULL),
  wrapped bytea NOT NULL,
  made_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT seed_is_wrapped CHECK (octet_length(wrapped) = 8 + 32 + 29)
);
COMMENT ON TABLE keyring.rotations IS 'The seed of the school''s secret rotation of each model''s space: all templates of the model are turned by it, and by no other. Random, so that it can be changed without SCHOOL_KEY.';
CREATE CONSTRAINT TRIGGER rotations_move_roster_version AFTER INSERT OR UPDATE OR DELETE ON keyring.rotations
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION move_roster_version();

-- 29 is odd: no float32 vector of any model is as long as a sealed one. NOT VALID: the rows that a version before this
-- one wrote are sealed by the first server that starts with the school's key, and then the constraint is made valid.
ALTER TABLE templates DROP CONSTRAINT embedding_fits_model;
ALTER TABLE templates RENAME COLUMN embedding TO sealed;
ALTER TABLE templates ADD CONSTRAINT template_is_sealed CHECK (coalesce(octet_length(sealed) = 4 * embedding_length(model) + 29, false)) NOT VALID;
COMMENT ON COLUMN templates.sealed IS 'Unit-length vector, turned by the school''s rotation, float32 little-endian, sealed by AES-256-GCM under the student''s key and bound to student, model and template_id.';

ALTER TABLE compared_faces DROP CONSTRAINT face_fits_model;
ALTER TABLE compared_faces RENAME COLUMN face TO sealed;
ALTER TABLE compared_faces ADD CONSTRAINT face_is_sealed CHECK (coalesce(octet_length(sealed) = 4 * embedding_length(model) + 29, false)) NOT VALID;
COMMENT ON COLUMN compared_faces.sealed IS 'Mean of the student''s turned templates of this model, of length 1, sealed as they are and bound to student and model: as personal as they are, and erased with them.';

CREATE FUNCTION keyring.forget_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM keyring.students k USING (SELECT DISTINCT student_id FROM changed) c
  WHERE k.student_id = c.student_id AND NOT EXISTS (SELECT FROM public.templates t WHERE t.student_id = c.student_id);
  RETURN NULL;
END $$;
CREATE TRIGGER erased_templates_lose_their_key AFTER DELETE ON templates
  REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION keyring.forget_keys();
CREATE TRIGGER given_templates_lose_their_key AFTER UPDATE ON templates
  REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION keyring.forget_keys();

CREATE FUNCTION keyring.forget_all_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM keyring.students;
  RETURN NULL;
END $$;
CREATE TRIGGER no_templates_no_keys AFTER TRUNCATE ON templates FOR EACH STATEMENT EXECUTE FUNCTION keyring.forget_all_keys();

-- A rotation of the whole school, and the sealing of old rows, leave every likeness as it was: whoever does that says so in its transaction.
CREATE OR REPLACE FUNCTION forget_comparisons() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND current_setting('fastrackai.same_faces_in', true) = pg_current_xact_id()::text THEN
    RETURN NULL;
  END IF;
  DELETE FROM look_alikes l USING (SELECT DISTINCT student_id, model FROM changed) c
  WHERE l.model = c.model AND (l.student_a = c.student_id OR l.student_b = c.student_id);
  DELETE FROM compared_faces f USING (SELECT DISTINCT student_id, model FROM changed) c
  WHERE f.student_id = c.student_id AND f.model = c.model;
  RETURN NULL;
END $$;
