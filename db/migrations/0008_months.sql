-- Months of attendance_logs: made ahead without holding anybody up, and dropped whole when their time is over.

CREATE FUNCTION months_made() RETURNS TABLE (from_date date, to_date date, partition regclass)
LANGUAGE sql STABLE SET datestyle = 'ISO' AS $$
  SELECT (b.bound[1])::date, (b.bound[2])::date, c.oid::regclass
  FROM pg_inherits i
  JOIN pg_class c ON c.oid = i.inhrelid
  CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), '^FOR VALUES FROM \(''(.+)''\) TO \(''(.+)''\)') AS b (bound)
  WHERE i.inhparent = 'attendance_logs'::regclass AND NOT i.inhdetachpending AND b.bound IS NOT NULL
$$;
COMMENT ON FUNCTION months_made IS 'The partitions of attendance_logs that are there, by their bounds: from from_date up to, not including, to_date.';

-- As in 0007, by the partitions' bounds in the place of their names: a person may have made one of another name and length.
CREATE OR REPLACE FUNCTION months_on_record() RETURNS TABLE (month date) LANGUAGE sql STABLE AS $$
  SELECT g.month::date FROM months_made() m CROSS JOIN LATERAL generate_series(m.from_date, m.to_date - 1, interval '1 month') AS g (month)
$$;

CREATE FUNCTION months_missing(instant timestamptz) RETURNS SETOF date
LANGUAGE sql STABLE AS $$
  SELECT w.month FROM (
    SELECT (date_trunc('month', instant AT TIME ZONE coalesce((SELECT time_zone FROM school), 'UTC')) + n * interval '1 month')::date AS month FROM generate_series(-13, 3) n
  ) w
  WHERE NOT EXISTS (SELECT FROM months_made() m WHERE m.from_date < w.month + interval '1 month' AND m.to_date > w.month)
  ORDER BY w.month
$$;
COMMENT ON FUNCTION months_missing IS 'The months from 13 before this instant to 3 after that have no partition, in the school''s zone, by which retention goes, too. Every mark that is taken falls into these 17; no policy drops one of them.';

-- A month is made beside the table and then attached to it: marks are written and read meanwhile (CREATE TABLE ...
-- PARTITION OF would wait for every reader, and everybody else behind it). What it still waits for is whoever holds
-- the whole table, such as one who erases a student, and not for long: it gives up, and is asked again.
CREATE OR REPLACE FUNCTION ensure_months(instant timestamptz) RETURNS integer LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
  month date;
  name text;
  made integer := 0;
BEGIN
  -- Asked every hour by every server: without a lock where nothing is to be done.
  IF NOT EXISTS (SELECT FROM months_missing(instant)) THEN
    RETURN 0;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('fastrackai.ensure_months'));
  FOR month IN SELECT months_missing(instant) LOOP
    name := 'attendance_logs_' || to_char(month, 'YYYY_MM');
    EXECUTE format('CREATE TABLE %I (LIKE attendance_logs INCLUDING ALL)', name);
    EXECUTE format('ALTER TABLE attendance_logs ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, month, (month + interval '1 month')::date);
    made := made + 1;
  END LOOP;
  RETURN made;
END $$;

CREATE FUNCTION months_ahead(instant timestamptz) RETURNS integer
LANGUAGE sql STABLE AS $$
  SELECT min(n)::integer - 1
  FROM (SELECT date_trunc('month', instant AT TIME ZONE coalesce((SELECT time_zone FROM school), 'UTC'))::date AS month) this
  CROSS JOIN generate_series(1, 60) n
  WHERE n = 60 OR NOT EXISTS (
    SELECT FROM months_made() m WHERE m.from_date <= this.month + n * interval '1 month' AND m.to_date >= this.month + (n + 1) * interval '1 month')
$$;
COMMENT ON FUNCTION months_ahead IS 'How many whole months after the school''s present one have their partition, without a gap. 0: next month''s marks have nowhere to go.';

-- ---------------------------------------------------------------- retention

CREATE TABLE retention_runs (
  run_id      integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  run_at      timestamptz NOT NULL,
  run_by      text NOT NULL CHECK (run_by <> ''),
  kept_months integer NOT NULL CHECK (kept_months >= 13),
  partition   text,
  before      date NOT NULL CHECK (extract(day FROM before) = 1),
  marks       bigint NOT NULL,
  corrections bigint NOT NULL,
  doubts      bigint NOT NULL,
  watches     bigint NOT NULL,
  mark_ids    bigint NOT NULL,
  set_aside   bigint NOT NULL,
  bytes       bigint NOT NULL
);
CREATE INDEX retention_runs_by_date ON retention_runs (before);
COMMENT ON TABLE retention_runs IS 'What was dropped because its time was over: one row for each month''s partition, with how many rows of what went with it. partition NULL: what had come in late for months that were gone already.';
COMMENT ON COLUMN retention_runs.kept_months IS 'The policy: so many whole months before the running one are kept.';
COMMENT ON COLUMN retention_runs.before IS 'Everything of lessons held before this date went, and nothing of later ones.';
COMMENT ON COLUMN retention_runs.bytes IS 'Size of the partition with its indexes.';
CREATE TRIGGER retention_runs_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON retention_runs FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION oldest_month_kept() RETURNS date LANGUAGE sql STABLE PARALLEL SAFE RETURN (SELECT max(before) FROM retention_runs);
COMMENT ON FUNCTION oldest_month_kept IS 'Of lessons held before this date nothing is on record any more; NULL: nothing was ever dropped.';

CREATE FUNCTION retention_bound(instant timestamptz, kept_months integer) RETURNS date LANGUAGE plpgsql STABLE AS $$
DECLARE
  bound date := (date_trunc('month', instant AT TIME ZONE coalesce((SELECT time_zone FROM school), 'UTC')) - kept_months * interval '1 month')::date;
BEGIN
  IF kept_months < 13 THEN
    RAISE EXCEPTION 'retention keeps at least 13 whole months, not %: marks are taken from 366 days back', kept_months USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- A partition of several months, made by a person, goes when its last month does.
  RETURN coalesce((SELECT m.from_date FROM months_made() m WHERE m.from_date < bound AND m.to_date > bound), bound);
END $$;
COMMENT ON FUNCTION retention_bound IS 'The first date that a policy of so many months keeps at this instant: the first of a month, in the school''s zone, and of a partition.';

-- A correction is deleted with its month or not at all. At the end of the transaction, because only then is its row of
-- retention_runs, with the true counts, there: who deletes a month's corrections has said so in the record itself.
DROP TRIGGER corrections_are_kept ON corrections;
CREATE TRIGGER corrections_are_kept BEFORE UPDATE OR TRUNCATE ON corrections FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE FUNCTION refuse_deletion_without_retention() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- xmin: written by this very transaction.
  IF NOT EXISTS (SELECT FROM retention_runs r WHERE OLD.held_on < r.before AND r.xmin = pg_current_xact_id()::xid) THEN
    RAISE EXCEPTION 'DELETE of corrections is refused: its rows are kept as they were written, until their month is dropped by retention'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER corrections_go_with_their_month AFTER DELETE ON corrections
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_deletion_without_retention();

-- What was set aside goes by the day that it last came, not by the day that it tells: that one may be absurd.
CREATE FUNCTION beyond_retention(bound date) RETURNS TABLE (month date, what text, rows bigint)
LANGUAGE sql STABLE AS $$
  SELECT date_trunc('month', b.held_on)::date, b.what, count(*)
  FROM (
    SELECT held_on, 'marks' AS what FROM attendance_logs WHERE held_on < bound
    UNION ALL SELECT held_on, 'corrections' FROM corrections WHERE held_on < bound
    UNION ALL SELECT held_on, 'doubts' FROM mark_doubts WHERE held_on < bound
    UNION ALL SELECT held_on, 'watches' FROM lesson_watches WHERE held_on < bound
    UNION ALL SELECT held_on, 'mark_ids' FROM mark_ids WHERE held_on < bound
    UNION ALL SELECT a.last_on, 'set_aside' FROM (
      SELECT (last_at AT TIME ZONE coalesce((SELECT time_zone FROM school), 'UTC'))::date AS last_on FROM set_aside) a WHERE a.last_on < bound
  ) b
  GROUP BY 1, 2
$$;
COMMENT ON FUNCTION beyond_retention IS 'What is on record of lessons held before this date, counted by month.';

CREATE FUNCTION drop_oldest_month(instant timestamptz, kept_months integer, run_by text) RETURNS SETOF retention_runs LANGUAGE plpgsql AS $$
DECLARE
  bound date := retention_bound(instant, kept_months);
  oldest record;
  run retention_runs;
  attempt integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('fastrackai.retention'));
  SELECT m.partition, m.to_date INTO oldest FROM months_made() m WHERE m.to_date <= bound ORDER BY m.to_date LIMIT 1;
  IF FOUND THEN
    bound := oldest.to_date;
    run.partition := oldest.partition::text;
    run.bytes := pg_total_relation_size(oldest.partition);
    EXECUTE format('SELECT count(*) FROM %s', oldest.partition) INTO run.marks;
  ELSIF EXISTS (SELECT FROM beyond_retention(bound) b WHERE b.what <> 'marks') THEN
    run.bytes := 0;
    run.marks := 0;
  ELSE
    RETURN;
  END IF;

  PERFORM forget_reports(bound);
  DELETE FROM corrections WHERE held_on < bound;
  GET DIAGNOSTICS run.corrections = ROW_COUNT;
  DELETE FROM mark_doubts WHERE held_on < bound;
  GET DIAGNOSTICS run.doubts = ROW_COUNT;
  DELETE FROM lesson_watches WHERE held_on < bound;
  GET DIAGNOSTICS run.watches = ROW_COUNT;
  DELETE FROM mark_ids WHERE held_on < bound;
  GET DIAGNOSTICS run.mark_ids = ROW_COUNT;
  DELETE FROM set_aside WHERE (last_at AT TIME ZONE coalesce((SELECT time_zone FROM school), 'UTC'))::date < bound;
  GET DIAGNOSTICS run.set_aside = ROW_COUNT;

  INSERT INTO retention_runs (run_at, run_by, kept_months, partition, before, marks, corrections, doubts, watches, mark_ids, set_aside, bytes)
  VALUES (instant, run_by, kept_months, run.partition, bound, run.marks, run.corrections, run.doubts, run.watches, run.mark_ids, run.set_aside, run.bytes)
  RETURNING * INTO run;

  -- Last, because from here to the commit nobody reads or writes any month. While somebody reads for long, those who
  -- come after us must not wait for both: so we step back and ask again.
  PERFORM set_config('lock_timeout', '1s', true);
  WHILE run.partition IS NOT NULL LOOP
    BEGIN
      LOCK TABLE ONLY attendance_logs IN ACCESS EXCLUSIVE MODE;
      EXECUTE format('DROP TABLE %s', oldest.partition);
      EXIT;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
      attempt := attempt + 1;
      IF attempt = 20 THEN
        RAISE;
      END IF;
      PERFORM pg_sleep(0.5);
    END;
  END LOOP;
  RETURN NEXT run;
END $$;
COMMENT ON FUNCTION drop_oldest_month IS 'Drops the oldest month that the policy (so many whole months before the running one) does not keep, with all that belongs to it, and notes it in retention_runs; returns that row. Nothing when there is none, once what came late for dropped months is gone too.';

-- When a server last applied the policy: once a day is enough, and a clock that has jumped ahead is not believed at once.
CREATE TABLE retention_rounds (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  last_at  timestamptz NOT NULL
);
COMMENT ON TABLE retention_rounds IS 'One row: when a server last looked whether a month''s time is over.';
