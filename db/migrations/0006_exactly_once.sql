-- Exactly once over months, clocks that are off, and what a kiosk's storage tells of itself.

ALTER TABLE attendance_logs ADD COLUMN device_timestamp timestamptz;
COMMENT ON COLUMN attendance_logs.device_timestamp IS 'The same instant by the device''s own clock, uncorrected; NULL where it was not told.';

-- The key of attendance_logs holds the lesson's date: a mark that comes again with another date would meet no key.
-- Not partitioned, so that its key is one over all months.
CREATE TABLE mark_ids (
  mark_id    uuid NOT NULL,
  student_id wire_id NOT NULL,
  held_on    date NOT NULL,
  PRIMARY KEY (mark_id, student_id)
);
COMMENT ON TABLE mark_ids IS 'Every mark_id that was taken, so that a mark is one mark whatever date it comes with.';
COMMENT ON COLUMN mark_ids.held_on IS 'Of the mark as it was first taken; retention goes by it.';

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
  made       integer NOT NULL DEFAULT 0,
  unsent     integer NOT NULL DEFAULT 0,
  received   int4multirange NOT NULL DEFAULT '{}',
  fence      uuid,
  fence_from uuid,
  PRIMARY KEY (device_id, store_id)
);
COMMENT ON TABLE device_stores IS 'Each storage that a kiosk has had. made and unsent: as its newest heartbeat told; received: the sequence numbers of the marks that came from it and have their outcome here. made - unsent above the count of received means marks that were lost at the kiosk, or here.';
COMMENT ON COLUMN device_stores.fence IS 'What the storage must present next; fence_from: what it presented when it drew that. See the contract''s note "Two copies of one storage".';

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
