-- The school's record: people, timetable, devices, consent and templates, marks, corrections.
-- Instants are timestamptz (kept in UTC). A lesson's date and times of day are in the school's zone,
-- and every step from one to the other is done here, by the functions below, from school.time_zone.

-- Identifiers as they travel (see #contract/ids): people type them and URLs carry them.
-- (The length apart: a counted repetition makes the pattern five times slower, for every mark.)
CREATE DOMAIN wire_id AS text CHECK (length(VALUE) <= 64 AND VALUE ~ '^[A-Za-z0-9][A-Za-z0-9._-]*$');

-- ---------------------------------------------------------------- the school and its timetable

CREATE TABLE school (
  only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  name      text NOT NULL,
  time_zone text NOT NULL CHECK ((timestamptz '2000-01-01 00:00:00+00' AT TIME ZONE time_zone) IS NOT NULL),
  roster_version bigint NOT NULL DEFAULT 1
);
COMMENT ON TABLE school IS 'One row: the school that this database is the record of.';
COMMENT ON COLUMN school.time_zone IS 'IANA name such as Europe/Stockholm. schedules'' times of day and every held_on are in this zone; every timestamp is UTC.';

CREATE TABLE students (
  student_id wire_id PRIMARY KEY,
  first_name text NOT NULL,
  last_name  text NOT NULL,
  email      text
);

CREATE TABLE courses (
  course_id   wire_id PRIMARY KEY,
  course_code text NOT NULL,
  course_name text NOT NULL,
  department  text NOT NULL DEFAULT '',
  credits     double precision NOT NULL DEFAULT 0 CHECK (credits >= 0)
);

CREATE TABLE classrooms (
  classroom_id wire_id PRIMARY KEY,
  name         text NOT NULL,
  building     text NOT NULL DEFAULT '',
  capacity     integer CHECK (capacity > 0)
);

CREATE TABLE enrollments (
  student_id    wire_id NOT NULL REFERENCES students,
  course_id     wire_id NOT NULL REFERENCES courses,
  enrolled_from timestamptz NOT NULL DEFAULT now(),
  enrolled_to   timestamptz CHECK (enrolled_to >= enrolled_from),
  PRIMARY KEY (course_id, student_id, enrolled_from)
);
CREATE UNIQUE INDEX enrollments_in_force ON enrollments (course_id, student_id) WHERE enrolled_to IS NULL;
CREATE INDEX enrollments_of_student ON enrollments (student_id, course_id);
COMMENT ON TABLE enrollments IS 'Who takes which course, from and until when. Leaving a course ends the row, so that the registers of past lessons keep their students.';
COMMENT ON COLUMN enrollments.enrolled_to IS 'Exclusive; NULL while enrolled. A student belongs to a lesson when enrolled at its end.';

CREATE SEQUENCE schedules_schedule_id_seq;
CREATE TABLE schedules (
  schedule_id    wire_id PRIMARY KEY DEFAULT nextval('schedules_schedule_id_seq')::text CHECK (schedule_id NOT LIKE 'unscheduled.%'),
  course_id      wire_id NOT NULL REFERENCES courses,
  classroom_id   wire_id NOT NULL REFERENCES classrooms,
  day_of_week    smallint NOT NULL CHECK (day_of_week BETWEEN 1 AND 7),
  start_time     time NOT NULL,
  end_time       time NOT NULL,
  effective_from date NOT NULL,
  effective_to   date CHECK (effective_to >= effective_from)
);
ALTER SEQUENCE schedules_schedule_id_seq OWNED BY schedules.schedule_id;
CREATE INDEX schedules_of_room ON schedules (classroom_id, day_of_week);
CREATE INDEX schedules_of_course ON schedules (course_id, day_of_week);
COMMENT ON TABLE schedules IS 'The weekly timetable. One row makes one lesson in each week that it is in effect. To change a lesson that has been held, end the row with effective_to and add another.';
COMMENT ON COLUMN schedules.schedule_id IS 'Also the lesson_id of each of its lessons; with held_on it names one of them.';
COMMENT ON COLUMN schedules.day_of_week IS 'ISO: 1 = Monday, 2 = Tuesday, 3 = Wednesday, 4 = Thursday, 5 = Friday, 6 = Saturday, 7 = Sunday; the day that the lesson starts, in the school''s zone.';
COMMENT ON COLUMN schedules.start_time IS 'Time of day in the school''s zone.';
COMMENT ON COLUMN schedules.end_time IS 'Time of day in the school''s zone, exclusive. At or before start_time: the lesson ends on the next day.';
COMMENT ON COLUMN schedules.effective_from IS 'First date on which a lesson of this row may start.';
COMMENT ON COLUMN schedules.effective_to IS 'Last date on which a lesson of this row may start, inclusive; NULL: until further notice.';

-- Local time to instant. A time of day that the clocks leave out is read as if they had not moved yet;
-- one that they show twice is the later one. So lessons that meet still meet, and a lesson for which
-- the night leaves no time at all is not held.
CREATE FUNCTION lesson_starts_at(held_on date, start_time time, time_zone text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE RETURN (held_on + start_time) AT TIME ZONE time_zone;

CREATE FUNCTION lesson_ends_at(held_on date, start_time time, end_time time, time_zone text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE RETURN (held_on + CASE WHEN end_time <= start_time THEN 1 ELSE 0 END + end_time) AT TIME ZONE time_zone;

CREATE FUNCTION lessons_on(date date)
RETURNS TABLE (lesson_id text, held_on date, course_id text, classroom_id text, starts_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT s.schedule_id::text, date, s.course_id::text, s.classroom_id::text,
         lesson_starts_at(date, s.start_time, school.time_zone),
         lesson_ends_at(date, s.start_time, s.end_time, school.time_zone)
  FROM school
  JOIN schedules s
    ON s.day_of_week = extract(isodow FROM date)::integer
   AND s.effective_from <= date
   AND (s.effective_to IS NULL OR s.effective_to >= date)
  WHERE lesson_starts_at(date, s.start_time, school.time_zone)
      < lesson_ends_at(date, s.start_time, s.end_time, school.time_zone)
$$;
COMMENT ON FUNCTION lessons_on IS 'The timetable''s lessons that start on this date, in the school''s zone.';

CREATE FUNCTION lessons_held(from_date date, to_date date)
RETURNS TABLE (lesson_id text, held_on date, course_id text, classroom_id text, starts_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT l.lesson_id, l.held_on, l.course_id, l.classroom_id, l.starts_at, l.ends_at
  FROM generate_series(0, to_date - from_date) AS days (n)
  CROSS JOIN LATERAL lessons_on(from_date + days.n) l
$$;
COMMENT ON FUNCTION lessons_held IS 'The timetable''s lessons that start on these dates (both inclusive), in the school''s zone.';

CREATE FUNCTION lessons_between(from_instant timestamptz, to_instant timestamptz)
RETURNS TABLE (lesson_id text, held_on date, course_id text, classroom_id text, starts_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT l.lesson_id, l.held_on, l.course_id, l.classroom_id, l.starts_at, l.ends_at
  FROM school
  CROSS JOIN LATERAL lessons_held((from_instant AT TIME ZONE school.time_zone)::date - 1, (to_instant AT TIME ZONE school.time_zone)::date) l
  WHERE l.ends_at > from_instant AND l.starts_at < to_instant
$$;
COMMENT ON FUNCTION lessons_between IS 'The timetable''s lessons that are on at any time from from_instant up to, not including, to_instant.';

CREATE FUNCTION lessons_at(instant timestamptz)
RETURNS TABLE (lesson_id text, held_on date, course_id text, classroom_id text, starts_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT l.lesson_id, l.held_on, l.course_id, l.classroom_id, l.starts_at, l.ends_at
  FROM lessons_between(instant, instant + interval '1 microsecond') l
$$;

CREATE FUNCTION is_enrolled(enrolled_from timestamptz, enrolled_to timestamptz, lesson_ends_at timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN enrolled_from < lesson_ends_at AND (enrolled_to IS NULL OR enrolled_to >= lesson_ends_at);
COMMENT ON FUNCTION is_enrolled IS 'Whether an enrolment counts for a lesson: it is in force when the lesson ends. So a student added during a lesson is in it, and one removed during it is not.';

-- ---------------------------------------------------------------- devices

CREATE TABLE devices (
  device_id      wire_id PRIMARY KEY,
  classroom_id   wire_id NOT NULL REFERENCES classrooms,
  key_sha256     bytea NOT NULL UNIQUE CHECK (octet_length(key_sha256) = 32),
  revoked_at     timestamptz,
  last_seen_at   timestamptz,
  last_heartbeat jsonb
);
COMMENT ON COLUMN devices.key_sha256 IS 'SHA-256 of the device''s 256-bit random key. The key itself is only at the kiosk.';

-- ---------------------------------------------------------------- consent and templates

CREATE TABLE consents (
  consent_id   integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  student_id   wire_id NOT NULL REFERENCES students,
  statement    text NOT NULL CHECK (statement <> ''),
  given_by     text NOT NULL CHECK (given_by <> ''),
  given_at     timestamptz NOT NULL,
  withdrawn_at timestamptz
);
CREATE UNIQUE INDEX consents_in_force ON consents (student_id) WHERE withdrawn_at IS NULL;
COMMENT ON TABLE consents IS 'Who agreed to what, and when. Rows stay; the only change allowed is to set withdrawn_at, once. At most one is in force for each student.';
COMMENT ON COLUMN consents.withdrawn_at IS 'NULL: in force. Setting it erases the student''s templates in the same transaction, unless a newer consent takes its place in it.';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% of % is refused: its rows are kept as they were written', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION refuse_change_of_consent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.withdrawn_at IS NULL AND NEW.withdrawn_at IS NOT NULL
     AND (NEW.consent_id, NEW.student_id, NEW.statement, NEW.given_by, NEW.given_at)
       = (OLD.consent_id, OLD.student_id, OLD.statement, OLD.given_by, OLD.given_at) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'a consent can only be withdrawn, once; it is kept as it was given'
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER consents_are_kept BEFORE UPDATE ON consents FOR EACH ROW EXECUTE FUNCTION refuse_change_of_consent();
CREATE TRIGGER consents_are_not_deleted BEFORE DELETE OR TRUNCATE ON consents FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Length of a model's embeddings; agrees with EMBEDDING_LENGTH of #contract/model. NULL: unknown model.
CREATE FUNCTION embedding_length(model text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE model WHEN 'mobilefacenet-192-r1' THEN 192 END;

CREATE TABLE templates (
  template_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  student_id  wire_id NOT NULL REFERENCES students,
  model       text NOT NULL,
  embedding   bytea NOT NULL,
  enrolled_at timestamptz NOT NULL,
  CONSTRAINT embedding_fits_model CHECK (coalesce(octet_length(embedding) = 4 * embedding_length(model), false))
);
CREATE INDEX templates_of_student ON templates (student_id, model);
COMMENT ON TABLE templates IS 'Faces on record, as embeddings: to be treated like photos of children. Only for a student with consent in force; withdrawal erases them.';
COMMENT ON COLUMN templates.embedding IS 'Unit-length vector, float32 little-endian.';
COMMENT ON COLUMN templates.model IS 'The model that made the embedding. Embeddings of different models are never compared.';

-- The lock makes a withdrawal that happens meanwhile wait for this transaction, and then erase what it wrote.
CREATE FUNCTION require_consent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM consents WHERE student_id = NEW.student_id AND withdrawn_at IS NULL FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'student % has no consent in force: no consent, no template', NEW.student_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'no_consent_no_template';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER no_consent_no_template BEFORE INSERT OR UPDATE ON templates FOR EACH ROW EXECUTE FUNCTION require_consent();

-- Deferred to the commit, so that one transaction may withdraw a consent and record a newer one.
CREATE FUNCTION erase_templates() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM templates t
  WHERE t.student_id = NEW.student_id
    AND NOT EXISTS (SELECT FROM consents c WHERE c.student_id = NEW.student_id AND c.withdrawn_at IS NULL);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER withdrawal_erases_templates AFTER UPDATE ON consents
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION erase_templates();

-- ---------------------------------------------------------------- marks and corrections

CREATE TABLE attendance_logs (
  student_id   wire_id NOT NULL REFERENCES students,
  course_id    wire_id NOT NULL REFERENCES courses,
  "timestamp"  timestamptz NOT NULL,
  confidence   double precision NOT NULL CHECK (confidence BETWEEN 0 AND 1),
  mark_id      uuid,
  lesson_id    wire_id NOT NULL,
  held_on      date NOT NULL,
  classroom_id wire_id REFERENCES classrooms,
  device_id    wire_id REFERENCES devices,
  model        text,
  received_at  timestamptz NOT NULL,
  PRIMARY KEY (held_on, lesson_id, student_id)
) PARTITION BY RANGE (held_on);
CREATE INDEX attendance_logs_of_student ON attendance_logs (student_id, held_on);
CREATE INDEX attendance_logs_of_course ON attendance_logs (course_id, held_on);
COMMENT ON TABLE attendance_logs IS 'Marks: one for each student and lesson, by key. Partitioned by month of held_on (attendance_logs_YYYY_MM); ensure_months makes the partitions. Say "held_on BETWEEN ... AND ..." where you can: it reads only those months. The status of a student is not here but in register_entries, where corrections beat marks.';
COMMENT ON COLUMN attendance_logs."timestamp" IS 'When the student was first seen.';
COMMENT ON COLUMN attendance_logs.confidence IS 'Cosine of the match, 0 to 1.';
COMMENT ON COLUMN attendance_logs.mark_id IS 'UUIDv7 made by the kiosk with the mark; NULL for a script''s record.';
COMMENT ON COLUMN attendance_logs.lesson_id IS 'schedules.schedule_id, or unscheduled.<course_id> for a record that fits no lesson of the timetable.';
COMMENT ON COLUMN attendance_logs.held_on IS 'Date on which the lesson starts, in the school''s zone, fixed when the mark is made.';

CREATE TRIGGER marks_are_kept BEFORE UPDATE ON attendance_logs FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE FUNCTION ensure_months(instant timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  this_month date := date_trunc('month', instant AT TIME ZONE 'UTC')::date;
  month date;
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('fastrackai.ensure_months'));
  FOR n IN -13..3 LOOP
    month := (this_month + n * interval '1 month')::date;
    IF to_regclass(format('attendance_logs_%s', to_char(month, 'YYYY_MM'))) IS NULL THEN
      EXECUTE format('CREATE TABLE attendance_logs_%s PARTITION OF attendance_logs FOR VALUES FROM (%L) TO (%L)',
        to_char(month, 'YYYY_MM'), month, (month + interval '1 month')::date);
      made := made + 1;
    END IF;
  END LOOP;
  RETURN made;
END $$;
COMMENT ON FUNCTION ensure_months IS 'Makes the partitions of attendance_logs from 13 months before this instant to 3 after, where missing; returns how many it made.';

CREATE TABLE corrections (
  correction_id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  held_on       date NOT NULL,
  lesson_id     wire_id NOT NULL,
  student_id    wire_id NOT NULL REFERENCES students,
  status        text NOT NULL CHECK (status IN ('present', 'late', 'absent', 'excused')),
  note          text NOT NULL DEFAULT '',
  corrected_by  text NOT NULL,
  corrected_at  timestamptz NOT NULL
);
CREATE INDEX corrections_of_lesson ON corrections (held_on, lesson_id, student_id);
CREATE INDEX corrections_of_student ON corrections (student_id, held_on);
COMMENT ON TABLE corrections IS 'What a person set in a register. Only ever added to: the newest beats the older ones and every mark, whenever either arrives.';
CREATE TRIGGER corrections_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON corrections FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE lesson_watches (
  held_on   date NOT NULL,
  lesson_id wire_id NOT NULL,
  device_id wire_id NOT NULL REFERENCES devices,
  first_at  timestamptz NOT NULL,
  last_at   timestamptz NOT NULL,
  beats     integer NOT NULL CHECK (beats > 0),
  PRIMARY KEY (held_on, lesson_id, device_id)
);
COMMENT ON TABLE lesson_watches IS 'Which kiosk watched which lesson with a live camera and a loaded model.';
COMMENT ON COLUMN lesson_watches.beats IS 'Heartbeats of such a kiosk during the lesson, one a minute.';

CREATE FUNCTION refuse_change_of_held_lesson() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.schedule_id, NEW.course_id, NEW.classroom_id, NEW.day_of_week, NEW.start_time, NEW.end_time)
                        = (OLD.schedule_id, OLD.course_id, OLD.classroom_id, OLD.day_of_week, OLD.start_time, OLD.end_time) THEN
    RETURN NEW;
  END IF;
  -- By course, because that has an index; a mark's course is always its lesson's.
  IF EXISTS (SELECT FROM attendance_logs WHERE course_id = OLD.course_id AND lesson_id = OLD.schedule_id) OR EXISTS (SELECT FROM corrections WHERE lesson_id = OLD.schedule_id) THEN
    RAISE EXCEPTION 'lessons of schedule % have been recorded', OLD.schedule_id
      USING ERRCODE = 'restrict_violation', HINT = 'End the row with effective_to and add another.';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER held_lessons_are_kept BEFORE UPDATE OR DELETE ON schedules FOR EACH ROW EXECUTE FUNCTION refuse_change_of_held_lesson();

-- ---------------------------------------------------------------- what kiosks hold copies of

-- A kiosk asks for the version every minute and pulls when it has moved: an enrolled student is known, and an
-- erased one forgotten, within a minute. At the commit and once a transaction, so that the version moves with
-- the change itself and its one row is locked for no longer than the commit takes.
CREATE FUNCTION move_roster_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  this_transaction text := pg_current_xact_id()::text;
BEGIN
  IF current_setting('fastrackai.roster_moved_in', true) IS DISTINCT FROM this_transaction THEN
    PERFORM set_config('fastrackai.roster_moved_in', this_transaction, true);
    UPDATE school SET roster_version = roster_version + 1;
  END IF;
  RETURN NULL;
END $$;
COMMENT ON COLUMN school.roster_version IS 'Moves at every change of anything that a roster is made of.';

DO $$
DECLARE
  changed text;
BEGIN
  FOREACH changed IN ARRAY ARRAY['students', 'courses', 'classrooms', 'enrollments', 'schedules', 'consents', 'templates'] LOOP
    EXECUTE format(
      'CREATE CONSTRAINT TRIGGER %I AFTER INSERT OR UPDATE OR DELETE ON %I DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION move_roster_version()',
      changed || '_move_roster_version', changed);
  END LOOP;
END $$;

-- ---------------------------------------------------------------- registers: the one definition of a status

-- Agrees with LATE_AFTER_MINUTES of #contract/register.
CREATE FUNCTION late_after_minutes() RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 10;

CREATE FUNCTION register_taken(held_on date, lesson_id text, starts_at timestamptz, ends_at timestamptz) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN EXISTS (SELECT FROM corrections c WHERE c.held_on = register_taken.held_on AND c.lesson_id = register_taken.lesson_id)
    OR EXISTS (SELECT FROM lesson_watches w WHERE w.held_on = register_taken.held_on AND w.lesson_id = register_taken.lesson_id
               AND w.beats * 2 >= extract(epoch FROM ends_at - starts_at) / 60);
COMMENT ON FUNCTION register_taken IS 'True when a person corrected anything in the lesson, or one kiosk watched at least half of its minutes. Only then may "absent" be said.';

CREATE FUNCTION register_entries(from_date date, to_date date, instant timestamptz, only_lesson text, only_course text, only_student text)
RETURNS TABLE (
  held_on date, lesson_id text, course_id text, student_id text, starts_at timestamptz, ends_at timestamptz,
  enrolled boolean, status text, "timestamp" timestamptz, confidence double precision, device_id text, model text
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  WITH lesson AS (
    SELECT l.* FROM lessons_held(from_date, to_date) l
    WHERE (only_lesson IS NULL OR l.lesson_id = only_lesson)
      AND (only_course IS NULL OR l.course_id = only_course)
  ), mark AS (
    SELECT m.held_on, m.lesson_id, m.student_id, m.course_id, m."timestamp", m.confidence, m.device_id, m.model
    FROM attendance_logs m
    WHERE m.held_on BETWEEN from_date AND to_date
      AND (only_lesson IS NULL OR m.lesson_id = only_lesson)
      AND (only_course IS NULL OR m.course_id = only_course)
      AND (only_student IS NULL OR m.student_id = only_student)
  ), correction AS (
    SELECT DISTINCT ON (c.held_on, c.lesson_id, c.student_id) c.held_on, c.lesson_id, c.student_id, c.status
    FROM corrections c
    WHERE c.held_on BETWEEN from_date AND to_date
      AND (only_lesson IS NULL OR c.lesson_id = only_lesson)
      AND (only_student IS NULL OR c.student_id = only_student)
    ORDER BY c.held_on, c.lesson_id, c.student_id, c.corrected_at DESC, c.correction_id DESC
  ), enrolment AS (
    SELECT DISTINCT l.held_on, l.lesson_id, e.student_id
    FROM lesson l JOIN enrollments e ON e.course_id = l.course_id AND is_enrolled(e.enrolled_from, e.enrolled_to, l.ends_at)
    WHERE only_student IS NULL OR e.student_id = only_student
  ), listed AS (
    SELECT e.held_on, e.lesson_id, e.student_id FROM enrolment e
    UNION SELECT m.held_on, m.lesson_id, m.student_id FROM mark m
    UNION SELECT c.held_on, c.lesson_id, c.student_id FROM correction c JOIN lesson l ON l.held_on = c.held_on AND l.lesson_id = c.lesson_id
  )
  SELECT x.held_on, x.lesson_id, coalesce(l.course_id, m.course_id), x.student_id, l.starts_at, l.ends_at,
    e.student_id IS NOT NULL,
    CASE
      WHEN c.status IS NOT NULL THEN c.status
      WHEN m.student_id IS NOT NULL THEN
        CASE WHEN m."timestamp" >= l.starts_at + late_after_minutes() * interval '1 minute' THEN 'late' ELSE 'present' END
      WHEN instant < l.ends_at THEN 'expected'
      WHEN register_taken(x.held_on, x.lesson_id, l.starts_at, l.ends_at) THEN 'absent'
      ELSE 'not_taken'
    END,
    m."timestamp", m.confidence, m.device_id, m.model
  FROM listed x
  LEFT JOIN lesson l ON l.held_on = x.held_on AND l.lesson_id = x.lesson_id
  LEFT JOIN enrolment e ON e.held_on = x.held_on AND e.lesson_id = x.lesson_id AND e.student_id = x.student_id
  LEFT JOIN mark m ON m.held_on = x.held_on AND m.lesson_id = x.lesson_id AND m.student_id = x.student_id
  LEFT JOIN correction c ON c.held_on = x.held_on AND c.lesson_id = x.lesson_id AND c.student_id = x.student_id
$$;
COMMENT ON FUNCTION register_entries IS 'The registers of these dates, one row for each lesson and student, enrolled or marked: the only definition of a status. The three last arguments narrow it; NULL: all. A correction beats the mark; a mark is late from 10 minutes after the start; without either: expected until the lesson ends, then absent where the register was taken, else not_taken. starts_at and ends_at are NULL for a record that fits no lesson.';

-- ---------------------------------------------------------------- what people ask in SQL

CREATE VIEW current_schedule AS
  SELECT l.lesson_id, l.held_on, l.starts_at, l.ends_at,
         s.schedule_id, s.course_id, c.course_code, c.course_name, c.department,
         s.classroom_id, r.name AS classroom_name, r.building,
         s.day_of_week, s.start_time, s.end_time
  FROM lessons_at(now()) l
  JOIN schedules s ON s.schedule_id = l.lesson_id
  JOIN courses c ON c.course_id = s.course_id
  JOIN classrooms r ON r.classroom_id = s.classroom_id;
COMMENT ON VIEW current_schedule IS 'The lessons that are on now, by the school''s clock.';

CREATE FUNCTION get_enrolled_students_for_class(room text, instant timestamptz)
RETURNS TABLE (student_id text, first_name text, last_name text, email text, course_id text, lesson_id text, held_on date, starts_at timestamptz, ends_at timestamptz, has_template boolean)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT DISTINCT s.student_id::text, s.first_name, s.last_name, s.email, l.course_id, l.lesson_id, l.held_on, l.starts_at, l.ends_at,
         EXISTS (SELECT FROM templates t WHERE t.student_id = s.student_id)
  FROM lessons_at(instant) l
  JOIN enrollments e ON e.course_id = l.course_id AND is_enrolled(e.enrolled_from, e.enrolled_to, l.ends_at)
  JOIN students s ON s.student_id = e.student_id
  WHERE l.classroom_id = room
  ORDER BY 6, 1
$$;
COMMENT ON FUNCTION get_enrolled_students_for_class IS 'The students of the lesson that is on in this room at this instant; empty when none is.';

CREATE VIEW student_attendance_summary AS
  SELECT r.student_id, s.first_name, s.last_name, c.course_id, c.course_code, c.course_name,
         r.lessons_held, r.present, r.late, r.absent, r.excused, r.not_taken,
         round(100.0 * (r.present + r.late) / nullif(r.present + r.late + r.absent, 0), 1) AS attendance_percentage
  FROM courses c
  CROSS JOIN school
  CROSS JOIN LATERAL (
    SELECT x.student_id,
           (count(*) FILTER (WHERE x.status IN ('present', 'late', 'absent', 'excused')))::integer AS lessons_held,
           (count(*) FILTER (WHERE x.status = 'present'))::integer AS present,
           (count(*) FILTER (WHERE x.status = 'late'))::integer AS late,
           (count(*) FILTER (WHERE x.status = 'absent'))::integer AS absent,
           (count(*) FILTER (WHERE x.status = 'excused'))::integer AS excused,
           (count(*) FILTER (WHERE x.status = 'not_taken'))::integer AS not_taken
    FROM register_entries((now() AT TIME ZONE school.time_zone)::date - 366, (now() AT TIME ZONE school.time_zone)::date, now(), NULL, c.course_id, NULL) x
    GROUP BY x.student_id
  ) r
  JOIN students s ON s.student_id = r.student_id;
COMMENT ON VIEW student_attendance_summary IS 'Each student''s lessons of each course in the last 366 days. lessons_held counts the lessons whose register has a status for the student; not_taken those that are over and were watched by nobody, and counts in no percentage. attendance_percentage: present and late, of present, late and absent.';

-- ---------------------------------------------------------------- who may sign in

CREATE TABLE accounts (
  account_id    integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  username      text NOT NULL UNIQUE,
  role          text NOT NULL CHECK (role IN ('office', 'teacher')),
  password_hash text NOT NULL CHECK (password_hash LIKE '$argon2id$%')
);

CREATE TABLE sessions (
  token_sha256 bytea PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
  account_id   integer NOT NULL REFERENCES accounts ON DELETE CASCADE,
  expires_at   timestamptz NOT NULL
);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
COMMENT ON COLUMN sessions.token_sha256 IS 'SHA-256 of the random token in the cookie.';
