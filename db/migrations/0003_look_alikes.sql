-- Whose faces are near each other: found when a face is saved, by comparing it with the whole school's.

CREATE TABLE look_alikes (
  student_a  wire_id NOT NULL REFERENCES students ON DELETE CASCADE,
  student_b  wire_id NOT NULL REFERENCES students ON DELETE CASCADE,
  model      text NOT NULL,
  similarity double precision NOT NULL CHECK (similarity BETWEEN -1.001 AND 1.001),
  found_at   timestamptz NOT NULL,
  PRIMARY KEY (student_a, student_b, model),
  CONSTRAINT each_pair_once CHECK (student_a::text COLLATE "C" < student_b::text COLLATE "C")
);
CREATE INDEX look_alikes_of_b ON look_alikes (student_b);
COMMENT ON TABLE look_alikes IS 'Pairs of students whose faces one model may take for each other: kiosks ask them for a second factor. Made from templates, and erased with them: any change of a student''s templates of a model erases that student''s pairs of it, and the server compares anew.';
COMMENT ON COLUMN look_alikes.similarity IS 'Cosine between the means of the two students'' templates of this model.';

CREATE TABLE confirmed_different (
  student_a    wire_id NOT NULL REFERENCES students ON DELETE CASCADE,
  student_b    wire_id NOT NULL REFERENCES students ON DELETE CASCADE,
  confirmed_by text NOT NULL CHECK (confirmed_by <> ''),
  confirmed_at timestamptz NOT NULL,
  PRIMARY KEY (student_a, student_b),
  CONSTRAINT each_pair_once CHECK (student_a::text COLLATE "C" < student_b::text COLLATE "C")
);
COMMENT ON TABLE confirmed_different IS 'Who said, and when, that two students are two people although their faces are one to the model: twins. Without it the second of them is not enrolled. It says nothing of a face, and outlives the templates.';

CREATE TABLE compared_faces (
  student_id wire_id NOT NULL REFERENCES students ON DELETE CASCADE,
  model      text NOT NULL,
  face       bytea NOT NULL,
  PRIMARY KEY (student_id, model),
  CONSTRAINT face_fits_model CHECK (coalesce(octet_length(face) = 4 * embedding_length(model), false))
);
COMMENT ON TABLE compared_faces IS 'Whose templates have been compared with all others'' since they last changed. Templates without a row here were written past the server, or before it compared: it makes up for it at its start and once a day.';
COMMENT ON COLUMN compared_faces.face IS 'Mean of the student''s templates of this model, of length 1, float32 little-endian: as personal as they are, and erased with them.';

-- A row of look_alikes says something of templates: it never outlives them, whoever changes them and however.
CREATE FUNCTION forget_comparisons() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM look_alikes l USING (SELECT DISTINCT student_id, model FROM changed) c
  WHERE l.model = c.model AND (l.student_a = c.student_id OR l.student_b = c.student_id);
  DELETE FROM compared_faces f USING (SELECT DISTINCT student_id, model FROM changed) c
  WHERE f.student_id = c.student_id AND f.model = c.model;
  RETURN NULL;
END $$;
CREATE TRIGGER new_templates_forget_comparisons AFTER INSERT ON templates
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION forget_comparisons();
CREATE TRIGGER erased_templates_forget_comparisons AFTER DELETE ON templates
  REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION forget_comparisons();
CREATE TRIGGER changed_templates_forget_comparisons AFTER UPDATE ON templates
  REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION forget_comparisons();
-- An update may give a template to another student or model; these are the new owners.
CREATE TRIGGER given_templates_forget_comparisons AFTER UPDATE ON templates
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION forget_comparisons();

CREATE FUNCTION forget_all_comparisons() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM look_alikes;
  DELETE FROM compared_faces;
  RETURN NULL;
END $$;
CREATE TRIGGER no_templates_no_comparisons AFTER TRUNCATE ON templates FOR EACH STATEMENT EXECUTE FUNCTION forget_all_comparisons();

CREATE CONSTRAINT TRIGGER look_alikes_move_roster_version AFTER INSERT OR UPDATE OR DELETE ON look_alikes
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION move_roster_version();
