-- Percentages over months, from sums that are kept; and registers that are read as fast for one student or course as for a day.

-- ---------------------------------------------------------------- registers, narrowed before they are read

-- The same registers as before. Planned anew for each call, with its arguments as constants: what is not asked for is
-- then not looked at, neither the other months' partitions nor, for one student, the courses of everybody else.
-- ROWS: of one lesson or student, as nearly all who ask; the thousand that is assumed else joins with all students.
CREATE OR REPLACE FUNCTION register_entries(from_date date, to_date date, instant timestamptz, only_lesson text, only_course text, only_student text)
RETURNS TABLE (
  held_on date, lesson_id text, course_id text, student_id text, starts_at timestamptz, ends_at timestamptz,
  enrolled boolean, status text, "timestamp" timestamptz, confidence double precision, device_id text, model text
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100 AS $$
BEGIN
  RETURN QUERY EXECUTE $entries$
    WITH mark AS (
      SELECT m.held_on, m.lesson_id, m.student_id, m.course_id, m."timestamp", m.confidence, m.device_id, m.model
      FROM attendance_logs m
      WHERE m.held_on BETWEEN $1 AND $2
        AND ($4 IS NULL OR m.lesson_id = $4)
        AND ($5 IS NULL OR m.course_id = $5)
        AND ($6 IS NULL OR m.student_id = $6)
    ), correction AS (
      SELECT DISTINCT ON (c.held_on, c.lesson_id, c.student_id) c.held_on, c.lesson_id, c.student_id, c.status
      FROM corrections c
      WHERE c.held_on BETWEEN $1 AND $2
        AND ($4 IS NULL OR c.lesson_id = $4)
        AND ($5 IS NULL OR c.lesson_id = 'unscheduled.' || $5 OR c.lesson_id IN (SELECT s.schedule_id FROM schedules s WHERE s.course_id = $5))
        AND ($6 IS NULL OR c.student_id = $6)
      ORDER BY c.held_on, c.lesson_id, c.student_id, c.corrected_at DESC, c.correction_id DESC
    ), course AS (
      -- Of one student, with whom nothing else is meant: the courses in which anything can stand of them.
      SELECT e.course_id::text FROM enrollments e WHERE e.student_id = $6
      UNION SELECT m.course_id FROM mark m
      UNION SELECT s.course_id FROM correction c JOIN schedules s ON s.schedule_id = c.lesson_id
    ), lesson AS (
      SELECT l.* FROM lessons_held($1, $2) l
      WHERE ($4 IS NULL OR l.lesson_id = $4)
        AND ($5 IS NULL OR l.course_id = $5)
        AND ($6 IS NULL OR l.course_id IN (SELECT o.course_id FROM course o))
    ), enrolment AS (
      SELECT DISTINCT l.held_on, l.lesson_id, e.student_id
      FROM lesson l JOIN enrollments e ON e.course_id = l.course_id AND is_enrolled(e.enrolled_from, e.enrolled_to, l.ends_at)
      WHERE $6 IS NULL OR e.student_id = $6
    ), listed AS (
      SELECT e.held_on, e.lesson_id, e.student_id FROM enrolment e
      UNION SELECT m.held_on, m.lesson_id, m.student_id FROM mark m
      UNION SELECT c.held_on, c.lesson_id, c.student_id FROM correction c JOIN lesson l ON l.held_on = c.held_on AND l.lesson_id = c.lesson_id
    )
    SELECT x.held_on, x.lesson_id::text, coalesce(l.course_id, m.course_id), x.student_id::text, l.starts_at, l.ends_at,
      e.student_id IS NOT NULL,
      CASE
        WHEN c.status IS NOT NULL THEN c.status
        WHEN m.student_id IS NOT NULL THEN
          CASE WHEN m."timestamp" >= l.starts_at + late_after_minutes() * interval '1 minute' THEN 'late' ELSE 'present' END
        WHEN $3 < l.ends_at THEN 'expected'
        WHEN register_taken(x.held_on, x.lesson_id, l.starts_at, l.ends_at) THEN 'absent'
        ELSE 'not_taken'
      END,
      m."timestamp", m.confidence, m.device_id::text, m.model
    FROM listed x
    LEFT JOIN lesson l ON l.held_on = x.held_on AND l.lesson_id = x.lesson_id
    LEFT JOIN enrolment e ON e.held_on = x.held_on AND e.lesson_id = x.lesson_id AND e.student_id = x.student_id
    LEFT JOIN mark m ON m.held_on = x.held_on AND m.lesson_id = x.lesson_id AND m.student_id = x.student_id
    LEFT JOIN correction c ON c.held_on = x.held_on AND c.lesson_id = x.lesson_id AND c.student_id = x.student_id
  $entries$ USING from_date, to_date, instant, only_lesson, only_course, only_student;
END $$;

-- ---------------------------------------------------------------- what is counted

CREATE FUNCTION attendance_percentage(present bigint, late bigint, absent bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN round(100.0 * (present + late) / nullif(present + late + absent, 0), 1);
COMMENT ON FUNCTION attendance_percentage IS 'Present and late, of present, late and absent; NULL where nothing counts. Excused lessons and registers that nobody took count in no percentage.';

CREATE TABLE report_months (
  course_id  text NOT NULL,
  month      date NOT NULL CHECK (extract(day FROM month) = 1),
  student_id text NOT NULL,
  present    integer NOT NULL,
  late       integer NOT NULL,
  absent     integer NOT NULL,
  excused    integer NOT NULL,
  not_taken  integer NOT NULL,
  PRIMARY KEY (course_id, month, student_id)
);
CREATE INDEX report_months_of_student ON report_months (student_id, month);
COMMENT ON TABLE report_months IS 'How many lessons of a course in a month (of held_on) stand as what for a student: register_entries counted, of the lessons that had ended at report_refresh.as_of. Made by refresh_reports and never by hand: it can be emptied and made again (insert one row into report_stale with course_id and lesson_id NULL, from -infinity to infinity).';

CREATE TABLE report_course_months (
  course_id text NOT NULL,
  month     date NOT NULL,
  present   integer NOT NULL,
  late      integer NOT NULL,
  absent    integer NOT NULL,
  excused   integer NOT NULL,
  not_taken integer NOT NULL,
  PRIMARY KEY (course_id, month)
);
COMMENT ON TABLE report_course_months IS 'report_months of all students together: a school''s year is then some thousand rows.';

CREATE TABLE report_refresh (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  as_of    timestamptz
);
INSERT INTO report_refresh DEFAULT VALUES;
COMMENT ON COLUMN report_refresh.as_of IS 'The lessons that had ended by then are in report_months, with everything that was on record of them, but for what report_stale names. NULL: never refreshed.';

-- ---------------------------------------------------------------- what makes a sum stale

-- Only ever added to, without any key, so that two writers never wait for each other here. The row is committed with
-- the change that it tells of: who sees the one sees the other. refresh_reports takes away the rows that it saw.
CREATE TABLE report_stale (
  course_id text,
  lesson_id text,
  from_date date NOT NULL,
  to_date   date NOT NULL
);
COMMENT ON TABLE report_stale IS 'What has changed since report_months was made: something of one lesson (lesson_id, on from_date), or a course''s enrolments or timetable from from_date to to_date; both NULL: everything.';
INSERT INTO report_stale (from_date, to_date) VALUES ('-infinity', 'infinity');

CREATE FUNCTION marks_make_reports_stale() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO report_stale (course_id, lesson_id, from_date, to_date) SELECT DISTINCT course_id::text, lesson_id::text, held_on, held_on FROM changed;
  RETURN NULL;
END $$;
CREATE TRIGGER new_marks_make_reports_stale AFTER INSERT ON attendance_logs
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION marks_make_reports_stale();
CREATE TRIGGER erased_marks_make_reports_stale AFTER DELETE ON attendance_logs
  REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION marks_make_reports_stale();

CREATE FUNCTION lessons_make_reports_stale() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO report_stale (lesson_id, from_date, to_date) SELECT DISTINCT lesson_id::text, held_on, held_on FROM changed;
  RETURN NULL;
END $$;
CREATE TRIGGER corrections_make_reports_stale AFTER INSERT ON corrections
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION lessons_make_reports_stale();
CREATE TRIGGER erased_corrections_make_reports_stale AFTER DELETE ON corrections
  REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION lessons_make_reports_stale();
CREATE TRIGGER new_watches_make_reports_stale AFTER INSERT ON lesson_watches
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION lessons_make_reports_stale();
CREATE TRIGGER watches_make_reports_stale AFTER UPDATE ON lesson_watches
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION lessons_make_reports_stale();
CREATE TRIGGER erased_watches_make_reports_stale AFTER DELETE ON lesson_watches
  REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION lessons_make_reports_stale();

-- Two days to either side: a lesson over midnight, and a session whose zone is not the school's.
CREATE FUNCTION enrolments_make_reports_stale() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND (OLD.course_id, OLD.student_id, OLD.enrolled_from) = (NEW.course_id, NEW.student_id, NEW.enrolled_from) THEN
    -- Only its end has moved.
    INSERT INTO report_stale (course_id, from_date, to_date)
    VALUES (NEW.course_id, coalesce(least(OLD.enrolled_to, NEW.enrolled_to), 'infinity')::date - 2,
            greatest(coalesce(OLD.enrolled_to, 'infinity'), coalesce(NEW.enrolled_to, 'infinity'))::date + 2);
    RETURN NULL;
  END IF;
  IF TG_OP <> 'INSERT' THEN
    INSERT INTO report_stale (course_id, from_date, to_date) VALUES (OLD.course_id, OLD.enrolled_from::date - 2, coalesce(OLD.enrolled_to, 'infinity')::date + 2);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO report_stale (course_id, from_date, to_date) VALUES (NEW.course_id, NEW.enrolled_from::date - 2, coalesce(NEW.enrolled_to, 'infinity')::date + 2);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER enrolments_make_reports_stale AFTER INSERT OR UPDATE OR DELETE ON enrollments FOR EACH ROW EXECUTE FUNCTION enrolments_make_reports_stale();

CREATE FUNCTION timetable_makes_reports_stale() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND (OLD.schedule_id, OLD.course_id, OLD.day_of_week, OLD.start_time, OLD.end_time, OLD.effective_from)
                        = (NEW.schedule_id, NEW.course_id, NEW.day_of_week, NEW.start_time, NEW.end_time, NEW.effective_from) THEN
    INSERT INTO report_stale (course_id, from_date, to_date)
    VALUES (NEW.course_id, coalesce(least(OLD.effective_to, NEW.effective_to), 'infinity'),
            greatest(coalesce(OLD.effective_to, 'infinity'), coalesce(NEW.effective_to, 'infinity')));
    RETURN NULL;
  END IF;
  IF TG_OP <> 'INSERT' THEN
    INSERT INTO report_stale (course_id, from_date, to_date) VALUES (OLD.course_id, OLD.effective_from, coalesce(OLD.effective_to, 'infinity'));
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO report_stale (course_id, from_date, to_date) VALUES (NEW.course_id, NEW.effective_from, coalesce(NEW.effective_to, 'infinity'));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER timetable_makes_reports_stale AFTER INSERT OR UPDATE OR DELETE ON schedules FOR EACH ROW EXECUTE FUNCTION timetable_makes_reports_stale();

-- When the school's zone changes, every lesson moves; and an emptied table says of no row what it was.
CREATE FUNCTION make_all_reports_stale() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO report_stale (from_date, to_date) VALUES ('-infinity', 'infinity');
  RETURN NULL;
END $$;
CREATE TRIGGER zone_makes_reports_stale AFTER UPDATE OF time_zone ON school FOR EACH ROW
  WHEN (OLD.time_zone <> NEW.time_zone) EXECUTE FUNCTION make_all_reports_stale();
CREATE TRIGGER no_marks_make_reports_stale AFTER TRUNCATE ON attendance_logs FOR EACH STATEMENT EXECUTE FUNCTION make_all_reports_stale();
CREATE TRIGGER no_watches_make_reports_stale AFTER TRUNCATE ON lesson_watches FOR EACH STATEMENT EXECUTE FUNCTION make_all_reports_stale();

-- What is counted of a student goes with the student, at once.
CREATE FUNCTION forget_reports_of_student() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM report_months WHERE student_id = OLD.student_id;
  RETURN NULL;
END $$;
CREATE TRIGGER erased_students_leave_reports AFTER DELETE ON students FOR EACH ROW EXECUTE FUNCTION forget_reports_of_student();

-- ---------------------------------------------------------------- made again

CREATE FUNCTION months_on_record() RETURNS TABLE (month date) LANGUAGE sql STABLE AS $$
  SELECT to_date(substring(p.relname FROM '\d{4}_\d\d$'), 'YYYY_MM')
  FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhrelid
  WHERE i.inhparent = 'attendance_logs'::regclass AND p.relname ~ '^attendance_logs_\d{4}_\d\d$'
$$;
COMMENT ON FUNCTION months_on_record IS 'The months that attendance_logs has a partition for. Of others nothing is counted: without its marks a month would be full of absences.';

CREATE FUNCTION report_due(instant timestamptz, only_course text) RETURNS TABLE (course_id text, month date)
LANGUAGE sql STABLE AS $$
  WITH changed AS MATERIALIZED (
    SELECT DISTINCT s.course_id, s.lesson_id, s.from_date AS held_on FROM report_stale s WHERE s.lesson_id IS NOT NULL
  ), lesson AS MATERIALIZED (
    SELECT l.lesson_id, l.held_on, l.course_id, l.ends_at
    FROM (SELECT DISTINCT c.held_on FROM changed c) d CROSS JOIN LATERAL lessons_on(d.held_on) l
  ), on_record AS MATERIALIZED (
    -- No lesson of a later month has ended.
    SELECT r.month FROM months_on_record() r WHERE r.month <= (instant + interval '2 days')::date
  ), due AS MATERIALIZED (
    -- What has changed in a lesson counts once it has ended, and its end makes it due in any case; of what fits no lesson, at once.
    SELECT coalesce(l.course_id, c.course_id, substring(c.lesson_id FROM '^unscheduled\.(.+)$')) AS course_id, date_trunc('month', c.held_on)::date AS month
    FROM changed c LEFT JOIN lesson l ON l.held_on = c.held_on AND l.lesson_id = c.lesson_id
    WHERE l.lesson_id IS NULL OR l.ends_at <= instant
    UNION
    SELECT c.course_id::text, r.month
    FROM report_stale s
    JOIN courses c ON s.course_id IS NULL OR c.course_id = s.course_id
    JOIN on_record r ON r.month >= date_trunc('month', s.from_date) AND r.month <= s.to_date
    WHERE s.lesson_id IS NULL AND (only_course IS NULL OR c.course_id = only_course)
    UNION
    SELECT l.course_id, date_trunc('month', l.held_on)::date
    FROM report_refresh f CROSS JOIN LATERAL lessons_between(f.as_of, instant) l
    WHERE l.ends_at <= instant AND (only_course IS NULL OR l.course_id = only_course)
  )
  SELECT d.course_id, d.month
  FROM due d JOIN courses c ON c.course_id = d.course_id JOIN on_record r ON r.month = d.month
  WHERE only_course IS NULL OR d.course_id = only_course
$$;
COMMENT ON FUNCTION report_due IS 'The courses and months whose sums in report_months may differ from register_entries at this instant; only_course NULL: all courses.';

CREATE FUNCTION report_counts(only_course text, first_month date, last_month date, instant timestamptz, only_student text)
RETURNS TABLE (course_id text, month date, student_id text, present integer, late integer, absent integer, excused integer, not_taken integer)
LANGUAGE sql STABLE AS $$
  SELECT x.course_id, date_trunc('month', x.held_on)::date, x.student_id,
    (count(*) FILTER (WHERE x.status = 'present'))::integer, (count(*) FILTER (WHERE x.status = 'late'))::integer,
    (count(*) FILTER (WHERE x.status = 'absent'))::integer, (count(*) FILTER (WHERE x.status = 'excused'))::integer,
    (count(*) FILTER (WHERE x.status = 'not_taken'))::integer
  FROM register_entries(first_month, (last_month + interval '1 month')::date - 1, instant, NULL, only_course, only_student) x
  WHERE x.ends_at IS NULL OR x.ends_at <= instant
  GROUP BY 1, 2, 3
$$;
COMMENT ON FUNCTION report_counts IS 'The sums of report_months, counted: register_entries of the lessons that have ended at this instant, from the first to the last month. Both NULL: all courses, all students.';

-- What is due is read, and the rows of report_stale that say so are taken away, in one statement: exactly those that were
-- obeyed. What is committed after it may be counted here already; its own row stays, and the next refresh counts it again.
CREATE FUNCTION refresh_reports(instant timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  c record;
  made integer := 0;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtext('fastrackai.refresh_reports')) THEN
    RETURN NULL;
  END IF;
  -- A server whose clock is behind another's takes back no lesson.
  SELECT greatest(f.as_of, instant) INTO instant FROM report_refresh f;
  FOR c IN
    WITH due AS MATERIALIZED (
      SELECT d.course_id, d.month FROM report_due(instant, NULL) d
    ), obeyed AS (
      DELETE FROM report_stale
    ), kept AS (
      UPDATE report_refresh SET as_of = instant
    )
    SELECT d.course_id, array_agg(d.month) AS months, min(d.month) AS first, max(d.month) AS last FROM due d GROUP BY d.course_id
  LOOP
    made := made + cardinality(c.months);
    WITH counted AS MATERIALIZED (
      SELECT k.* FROM report_counts(c.course_id, c.first, c.last, instant, NULL) k WHERE k.month = ANY (c.months)
    ), gone AS (
      DELETE FROM report_months r
      WHERE r.course_id = c.course_id AND r.month = ANY (c.months)
        AND NOT EXISTS (SELECT FROM counted k WHERE k.month = r.month AND k.student_id = r.student_id)
    ), written AS (
      INSERT INTO report_months AS r (course_id, month, student_id, present, late, absent, excused, not_taken)
      SELECT k.course_id, k.month, k.student_id, k.present, k.late, k.absent, k.excused, k.not_taken FROM counted k
      ON CONFLICT (course_id, month, student_id) DO UPDATE
      SET present = excluded.present, late = excluded.late, absent = excluded.absent, excused = excluded.excused, not_taken = excluded.not_taken
      WHERE (r.present, r.late, r.absent, r.excused, r.not_taken) <> (excluded.present, excluded.late, excluded.absent, excluded.excused, excluded.not_taken)
    ), summed AS MATERIALIZED (
      SELECT k.course_id, k.month, sum(k.present) AS present, sum(k.late) AS late, sum(k.absent) AS absent, sum(k.excused) AS excused, sum(k.not_taken) AS not_taken
      FROM counted k GROUP BY k.course_id, k.month
    ), sums_gone AS (
      DELETE FROM report_course_months r
      WHERE r.course_id = c.course_id AND r.month = ANY (c.months) AND NOT EXISTS (SELECT FROM summed k WHERE k.month = r.month)
    )
    INSERT INTO report_course_months AS r (course_id, month, present, late, absent, excused, not_taken)
    SELECT k.course_id, k.month, k.present, k.late, k.absent, k.excused, k.not_taken FROM summed k
    ON CONFLICT (course_id, month) DO UPDATE
    SET present = excluded.present, late = excluded.late, absent = excluded.absent, excused = excluded.excused, not_taken = excluded.not_taken
    WHERE (r.present, r.late, r.absent, r.excused, r.not_taken) <> (excluded.present, excluded.late, excluded.absent, excluded.excused, excluded.not_taken);
  END LOOP;
  RETURN made;
END $$;
COMMENT ON FUNCTION refresh_reports IS 'Brings report_months up to this instant; returns how many courses'' months it counted anew, NULL where another connection is at it. In a transaction of its own, and READ COMMITTED.';

CREATE FUNCTION forget_reports(before date) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('fastrackai.refresh_reports'));
  DELETE FROM report_months WHERE month < before;
  DELETE FROM report_course_months WHERE month < before;
END $$;
COMMENT ON FUNCTION forget_reports IS 'For retention, in the transaction that drops the months before this date: the lock keeps a refresh that still saw them from counting them again.';
