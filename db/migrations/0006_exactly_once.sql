-- Exactly once over months, clocks that are off, and what a kiosk's storage tells of itself.

ALTER TABLE attendance_logs ADD COLUMN device_timestamp timestamptz;
COMMENT ON COLUMN attendance_logs.device_timestamp IS 'The same instant by the device''s own clock, uncorrected; NULL where it was not told.';

-- The key of attendance_logs holds the lesson's date: a mark that comes again with another date would meet no key.
-- Not partitioned, so that its key is one over all months.
CREATE TABLE mark_ids (
  mark_id    uuid NOT NULL,
  student_id wire_id NOT NULL,
  held_on    date NOT NULL,
  -- Copied from a mark: checked there.
  lesson_id  text NOT NULL,
  PRIMARY KEY (mark_id, student_id)
);
COMMENT ON TABLE mark_ids IS 'Every mark_id that was taken, so that a mark is one mark whatever date it comes with.';
COMMENT ON COLUMN mark_ids.held_on IS 'With lesson_id and student_id: the mark that is on record for it, as it was first taken. Retention goes by it.';

-- Four foreign keys were checked with four queries for each mark: three quarters of the time of an insert. The same
-- promise is kept in two other ways: every statement that adds marks is checked once, as a whole, and what a mark names
-- cannot be deleted or renamed, whoever is adding marks meanwhile.
ALTER TABLE attendance_logs
  DROP CONSTRAINT attendance_logs_student_id_fkey,
  DROP CONSTRAINT attendance_logs_course_id_fkey,
  DROP CONSTRAINT attendance_logs_classroom_id_fkey,
  DROP CONSTRAINT attendance_logs_device_id_fkey;

CREATE FUNCTION refuse_marks_of_nobody() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  wrong record;
BEGIN
  SELECT m.student_id, m.course_id, m.classroom_id, m.device_id INTO wrong
  FROM added m
  LEFT JOIN students s ON s.student_id = m.student_id
  LEFT JOIN courses c ON c.course_id = m.course_id
  LEFT JOIN classrooms r ON r.classroom_id = m.classroom_id
  LEFT JOIN devices d ON d.device_id = m.device_id
  WHERE s.student_id IS NULL OR c.course_id IS NULL
     OR (r.classroom_id IS NULL AND m.classroom_id IS NOT NULL) OR (d.device_id IS NULL AND m.device_id IS NOT NULL)
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'a mark names a student, a course, a classroom or a device that is not there: %, %, %, %', wrong.student_id, wrong.course_id, wrong.classroom_id, wrong.device_id
      USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION refuse_marks_of_nobody IS 'In the place of foreign keys. Marks that are written into a month''s partition by its own name are not looked at: write into attendance_logs.';
CREATE TRIGGER marks_name_what_is_there AFTER INSERT ON attendance_logs
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION refuse_marks_of_nobody();

-- The lock waits for every statement that is adding marks, so that its marks are seen; one that comes later waits, and
-- then sees that the row is gone.
CREATE FUNCTION keep_what_marks_name() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  named boolean;
BEGIN
  LOCK TABLE attendance_logs IN SHARE ROW EXCLUSIVE MODE;
  EXECUTE format('SELECT EXISTS (SELECT FROM attendance_logs WHERE %I = $1)', TG_ARGV[0]) INTO named USING to_jsonb(OLD) ->> TG_ARGV[0];
  IF named THEN
    RAISE EXCEPTION '% % of % is refused: marks name it', TG_OP, to_jsonb(OLD) ->> TG_ARGV[0], TG_TABLE_NAME USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION keep_what_marks_name IS 'The other half of marks_name_what_is_there: refuses to delete or rename what a mark names.';

DO $$
DECLARE
  kept record;
BEGIN
  FOR kept IN VALUES ('students', 'student_id'), ('courses', 'course_id'), ('classrooms', 'classroom_id'), ('devices', 'device_id') LOOP
    EXECUTE format('CREATE TRIGGER marked_rows_are_kept AFTER DELETE ON %I FOR EACH ROW EXECUTE FUNCTION keep_what_marks_name(%L)', kept.column1, kept.column2);
    EXECUTE format('CREATE TRIGGER marked_names_are_kept AFTER UPDATE OF %I ON %I FOR EACH ROW WHEN (OLD.%I <> NEW.%I) EXECUTE FUNCTION keep_what_marks_name(%L)',
      kept.column2, kept.column1, kept.column2, kept.column2, kept.column2);
  END LOOP;
END $$;

-- What was refused for good is kept with its reason, for a person to decide: never dropped, and in no month's partition.
CREATE TABLE set_aside (
  set_aside_id  integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  record_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(record_sha256) = 32),
  record        jsonb NOT NULL,
  device_id     text,
  code          text NOT NULL,
  field         text NOT NULL DEFAULT '',
  reason        text NOT NULL,
  first_at      timestamptz NOT NULL,
  last_at       timestamptz NOT NULL,
  times         integer NOT NULL DEFAULT 1 CHECK (times > 0),
  closed_at     timestamptz,
  closed_by     text,
  closed_as     text CHECK (closed_as IN ('recorded', 'dismissed')),
  CHECK ((closed_at IS NULL) = (closed_by IS NULL) AND (closed_at IS NULL) = (closed_as IS NULL))
);
CREATE INDEX set_aside_open ON set_aside (last_at) WHERE closed_at IS NULL;
COMMENT ON TABLE set_aside IS 'Records that could be read and not be taken (an absurd time, an unknown student or lesson), each once, with the reason. The office records it after all or dismisses it; the row stays.';
COMMENT ON COLUMN set_aside.record_sha256 IS 'SHA-256 of the device and the record as sent: a repetition counts up times.';

ALTER TABLE devices ADD COLUMN fenced_at timestamptz;
COMMENT ON COLUMN devices.fenced_at IS 'Two copies of its storage were in use: nothing but heartbeats is taken from it until the office has said which one is right.';

CREATE TABLE device_stores (
  device_id  wire_id NOT NULL REFERENCES devices ON DELETE CASCADE,
  store_id   uuid NOT NULL,
  first_at   timestamptz NOT NULL,
  last_at    timestamptz NOT NULL,
  beat_at    timestamptz,
  made       integer NOT NULL DEFAULT 0,
  unsent     integer NOT NULL DEFAULT 0,
  received   int4multirange NOT NULL DEFAULT '{}',
  fence      uuid,
  fence_from uuid,
  fence_at   timestamptz,
  overtaken  jsonb NOT NULL DEFAULT '[]',
  PRIMARY KEY (device_id, store_id)
);
COMMENT ON TABLE device_stores IS 'Each storage that a kiosk has had. beat_at: of its newest heartbeat, NULL before the first; made and unsent: as that told; received: the sequence numbers of the marks that came from it and have their outcome here. made - unsent above the count of received means marks that were lost at the kiosk, or here.';
COMMENT ON COLUMN device_stores.fence IS 'What the storage must present next; fence_from: what it presented when it drew that. See the contract''s note "Two copies of one storage".';
COMMENT ON COLUMN device_stores.overtaken IS 'The pairs of fences before, that may still be under way: [{from, fence, until}].';

CREATE FUNCTION count_of(numbers int4multirange) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT coalesce(sum(upper(r) - lower(r)), 0)::integer FROM unnest(numbers) r);

CREATE FUNCTION marks_lost(made integer, received int4multirange) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN greatest(made, coalesce(upper(received) - 1, 0)) - count_of(received);
COMMENT ON FUNCTION marks_lost IS 'Of a storage that is gone: marks that are known to have been made in it and are not here.';

CREATE TABLE device_alarms (
  alarm_id  integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  device_id wire_id NOT NULL REFERENCES devices ON DELETE CASCADE,
  kind      text NOT NULL CHECK (kind IN ('storage_replaced', 'storage_copied', 'marks_missing')),
  store_id  uuid NOT NULL,
  marks     integer NOT NULL DEFAULT 0,
  raised_at timestamptz NOT NULL,
  closed_at timestamptz,
  closed_by text,
  CHECK ((closed_at IS NULL) = (closed_by IS NULL))
);
CREATE UNIQUE INDEX device_alarms_open ON device_alarms (device_id, kind, store_id) WHERE closed_at IS NULL;
COMMENT ON TABLE device_alarms IS 'What a person must look at: storage_replaced (a kiosk came back with empty storage; marks: how many the old one is known to have lost), storage_copied (two copies are in use; the device is fenced), marks_missing (marks let go of by the kiosk that are not here).';
COMMENT ON COLUMN device_alarms.store_id IS 'The storage that it is about: of storage_replaced the one that is gone.';

-- ---------------------------------------------------------------- devices known in memory
-- Every server keeps who its devices are in memory, so that a request costs no query and is known while the
-- database is away. Heartbeats, which change the row once a minute, are not told.

CREATE FUNCTION tell_of_device() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('fastrackai_device', '');
  RETURN NULL;
END $$;
COMMENT ON FUNCTION tell_of_device IS 'Wakes every server that keeps the devices in memory.';

CREATE TRIGGER devices_are_told AFTER INSERT OR DELETE OR TRUNCATE ON devices FOR EACH STATEMENT EXECUTE FUNCTION tell_of_device();
CREATE TRIGGER changed_devices_are_told AFTER UPDATE ON devices FOR EACH ROW
  WHEN ((OLD.device_id, OLD.classroom_id, OLD.key_sha256, OLD.revoked_at, OLD.fenced_at) IS DISTINCT FROM (NEW.device_id, NEW.classroom_id, NEW.key_sha256, NEW.revoked_at, NEW.fenced_at))
  EXECUTE FUNCTION tell_of_device();
