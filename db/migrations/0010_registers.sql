-- Registers of a student, a course or a lesson are planned once for each connection: what a history then takes is reading.

CREATE FUNCTION taken_of(held_on date, lesson_id text, starts_at timestamptz, ends_at timestamptz) RETURNS TABLE (taken boolean)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT EXISTS (SELECT FROM corrections c WHERE c.held_on = taken_of.held_on AND c.lesson_id = taken_of.lesson_id)
      OR EXISTS (SELECT FROM lesson_watches w WHERE w.held_on = taken_of.held_on AND w.lesson_id = taken_of.lesson_id
                 AND w.beats * 2 >= extract(epoch FROM taken_of.ends_at - taken_of.starts_at) / 60)
$$;
COMMENT ON FUNCTION taken_of IS 'What register_taken says, in one row: PostgreSQL makes a function in FROM part of the question that asks it, where one in an expression that holds a subquery is called anew for each row.';

CREATE OR REPLACE FUNCTION register_taken(held_on date, lesson_id text, starts_at timestamptz, ends_at timestamptz) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE RETURN (SELECT t.taken FROM taken_of(held_on, lesson_id, starts_at, ends_at) t);

-- The same registers as before, of one text. Planned with its arguments as constants, as until now, it took longer to plan
-- than to read a day: each month's partition has its part in the plan. A plan that fits every argument leaves out the other
-- months when it begins, but cannot look by a student in an index while "or all of them" stands beside it. So the text is
-- put into the function three times, for a student, a course and a lesson alone, each time with "or all" settled beforehand;
-- whatever else is asked is rare, wide and different each time, and is planned for itself.
DO $make$
DECLARE
  entries CONSTANT text := $entries$
    WITH mark AS MATERIALIZED (
      SELECT m.held_on, m.lesson_id::text, m.student_id::text, m.course_id::text, m."timestamp", m.confidence, m.device_id::text, m.model
      FROM attendance_logs m
      WHERE m.held_on BETWEEN $1 AND $2
        AND ($4 IS NULL OR m.lesson_id = $4)
        AND ($5 IS NULL OR m.course_id = $5)
        AND ($6 IS NULL OR m.student_id = $6)
    ), correction AS MATERIALIZED (
      SELECT DISTINCT ON (c.held_on, c.lesson_id, c.student_id) c.held_on, c.lesson_id::text, c.student_id::text, c.status
      FROM corrections c
      WHERE c.held_on BETWEEN $1 AND $2
        AND ($4 IS NULL OR c.lesson_id = $4)
        AND ($5 IS NULL OR c.lesson_id = ANY (ARRAY(SELECT s.schedule_id::text FROM schedules s WHERE s.course_id = $5 UNION ALL SELECT 'unscheduled.' || $5)))
        AND ($6 IS NULL OR c.student_id = $6)
      ORDER BY c.held_on, c.lesson_id, c.student_id, c.corrected_at DESC, c.correction_id DESC
    ), course AS (
      -- Of one student, with whom nothing else is meant: the courses in which anything can stand of them.
      SELECT e.course_id::text FROM enrollments e WHERE e.student_id = $6
      UNION SELECT m.course_id FROM mark m
      UNION SELECT s.course_id FROM correction c JOIN schedules s ON s.schedule_id = c.lesson_id
    ), lesson AS MATERIALIZED (
      SELECT l.held_on, l.lesson_id, l.course_id, l.starts_at, l.ends_at FROM lessons_held($1, $2) l
      WHERE ($4 IS NULL OR l.lesson_id = $4)
        AND ($5 IS NULL OR l.course_id = $5)
        AND ($6 IS NULL OR l.course_id = ANY (ARRAY(SELECT o.course_id FROM course o)))
    ), listed AS (
      -- What is said of a student in a lesson from up to three sides, put together in one pass: of marks and of newest
      -- corrections there is at most one, so that max() says which.
      SELECT n.held_on, n.lesson_id, n.student_id, bool_or(n.enrolled) AS enrolled, bool_or(n.marked) AS marked, max(n.corrected) AS corrected,
        max(n.course_id) AS course_id, max(n."timestamp") AS "timestamp", max(n.confidence) AS confidence, max(n.device_id) AS device_id, max(n.model) AS model
      FROM (
        SELECT l.held_on, l.lesson_id, e.student_id::text, true AS enrolled, false AS marked, NULL AS corrected,
          NULL AS course_id, NULL::timestamptz AS "timestamp", NULL::double precision AS confidence, NULL AS device_id, NULL AS model
        FROM lesson l JOIN enrollments e ON e.course_id = l.course_id AND is_enrolled(e.enrolled_from, e.enrolled_to, l.ends_at)
        WHERE ($6 IS NULL OR e.student_id = $6)
        UNION ALL
        SELECT m.held_on, m.lesson_id, m.student_id, false, true, NULL, m.course_id, m."timestamp", m.confidence, m.device_id, m.model FROM mark m
        UNION ALL
        SELECT c.held_on, c.lesson_id, c.student_id, false, false, c.status, NULL, NULL, NULL, NULL, NULL FROM correction c
      ) n
      GROUP BY n.held_on, n.lesson_id, n.student_id
    )
    SELECT x.held_on, x.lesson_id, coalesce(l.course_id, x.course_id), x.student_id, l.starts_at, l.ends_at, x.enrolled,
      CASE
        WHEN x.corrected IS NOT NULL THEN x.corrected
        WHEN x.marked THEN
          CASE WHEN x."timestamp" >= l.starts_at + late_after_minutes() * interval '1 minute' THEN 'late' ELSE 'present' END
        WHEN $3 < l.ends_at THEN 'expected'
        WHEN (SELECT t.taken FROM taken_of(x.held_on, x.lesson_id, l.starts_at, l.ends_at) t) THEN 'absent'
        ELSE 'not_taken'
      END,
      x."timestamp", x.confidence, x.device_id, x.model
    FROM listed x LEFT JOIN lesson l ON l.held_on = x.held_on AND l.lesson_id = x.lesson_id
    -- A correction alone, of what is no lesson of the timetable, is no entry.
    WHERE x.enrolled OR x.marked OR l.lesson_id IS NOT NULL
  $entries$;
  of_lesson CONSTANT text := replace(replace(replace(entries, '$4 IS NULL', 'false'), '$5 IS NULL', 'true'), '$6 IS NULL', 'true');
  of_course CONSTANT text := replace(replace(replace(entries, '$4 IS NULL', 'true'), '$5 IS NULL', 'false'), '$6 IS NULL', 'true');
  of_student CONSTANT text := replace(replace(replace(entries, '$4 IS NULL', 'true'), '$5 IS NULL', 'true'), '$6 IS NULL', 'false');
BEGIN
  EXECUTE format($function$
    CREATE OR REPLACE FUNCTION register_entries(from_date date, to_date date, instant timestamptz, only_lesson text, only_course text, only_student text)
    RETURNS TABLE (
      held_on date, lesson_id text, course_id text, student_id text, starts_at timestamptz, ends_at timestamptz,
      enrolled boolean, status text, "timestamp" timestamptz, confidence double precision, device_id text, model text
    )
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100 SET plan_cache_mode = force_generic_plan AS %L
  $function$, format($body$
-- Made of one text, four times, by migration 0010: there it is to be read.
#variable_conflict use_column
BEGIN
  IF num_nonnulls(only_lesson, only_course, only_student) <> 1 THEN
    RETURN QUERY EXECUTE %L USING from_date, to_date, instant, only_lesson, only_course, only_student;
  ELSIF only_student IS NOT NULL THEN
    RETURN QUERY %s;
  ELSIF only_course IS NOT NULL THEN
    RETURN QUERY %s;
  ELSE
    RETURN QUERY %s;
  END IF;
END
$body$, entries, of_student, of_course, of_lesson));
END
$make$;
