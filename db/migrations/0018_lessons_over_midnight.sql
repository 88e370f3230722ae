-- A lesson may run over midnight until an hour that the clocks leave out (America/Nuuk, 29 March 2025, 23:00 to 24:00): it then ends on the
-- second date after the one that it began on, and is looked for from there.
CREATE OR REPLACE FUNCTION lessons_between(from_instant timestamptz, to_instant timestamptz)
RETURNS TABLE (lesson_id text, held_on date, course_id text, classroom_id text, starts_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT l.lesson_id, l.held_on, l.course_id, l.classroom_id, l.starts_at, l.ends_at
  FROM school
  CROSS JOIN LATERAL lessons_held((from_instant AT TIME ZONE school.time_zone)::date - 2, (to_instant AT TIME ZONE school.time_zone)::date) l
  WHERE l.ends_at > from_instant AND l.starts_at < to_instant
$$;
