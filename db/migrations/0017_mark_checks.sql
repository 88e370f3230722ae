-- What teachers said of marks that were drawn at random from their lesson: the only honest denominator of "how often is a mark right".
-- Nothing is changed: who thinks again says so in another row, and the newest one counts.

CREATE TABLE mark_checks (
  check_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  held_on    date NOT NULL,
  lesson_id  text NOT NULL,
  student_id text NOT NULL,
  answer     text NOT NULL CHECK (answer IN ('yes', 'no', 'unknown')),
  checked_by text NOT NULL,
  checked_at timestamptz NOT NULL
);
COMMENT ON TABLE mark_checks IS 'Was the student of this mark really there? Asked of at most three marks of a lesson, drawn by a secret hash';

CREATE INDEX mark_checks_of_lesson ON mark_checks (held_on, lesson_id, student_id, check_id);
CREATE INDEX mark_checks_of_student ON mark_checks (student_id);

-- They go with the month of their marks.
CREATE FUNCTION forget_checks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM mark_checks WHERE held_on < NEW.before;
  RETURN NULL;
END $$;
CREATE TRIGGER checks_go_with_their_month AFTER INSERT ON retention_runs FOR EACH ROW EXECUTE FUNCTION forget_checks();
