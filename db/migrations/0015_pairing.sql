-- How a kiosk comes by its key: it draws it itself, hands the server its hash for a one-time code, and draws a new one now and then.

CREATE TABLE pairing_codes (
  code_sha256   bytea PRIMARY KEY CHECK (octet_length(code_sha256) = 32),
  classroom_id  wire_id NOT NULL REFERENCES classrooms ON UPDATE CASCADE ON DELETE CASCADE,
  device_id     wire_id REFERENCES devices ON UPDATE CASCADE ON DELETE CASCADE,
  made_at       timestamptz NOT NULL,
  expires_at    timestamptz NOT NULL CHECK (expires_at > made_at),
  used_at       timestamptz,
  key_sha256    bytea CHECK (octet_length(key_sha256) = 32),
  CHECK ((used_at IS NULL) = (key_sha256 IS NULL))
);
CREATE INDEX pairing_codes_by_end ON pairing_codes (expires_at);
COMMENT ON TABLE pairing_codes IS 'One-time codes that make a device a room''s kiosk. Rows are removed when they are long over.';
COMMENT ON COLUMN pairing_codes.code_sha256 IS 'SHA-256 of the code; the code itself is shown once, at the office.';
COMMENT ON COLUMN pairing_codes.device_id IS 'The kiosk that is to be paired anew; once used, the one that it made.';
COMMENT ON COLUMN pairing_codes.key_sha256 IS 'Whose key the code was traded for: the same trade again, because its answer was lost, is answered again.';

ALTER TABLE devices
  ADD COLUMN next_key_sha256 bytea UNIQUE CHECK (octet_length(next_key_sha256) = 32),
  ADD COLUMN paired_at timestamptz,
  ADD COLUMN key_drawn_at timestamptz,
  ADD COLUMN key_wanted_at timestamptz,
  ADD CHECK (next_key_sha256 <> key_sha256);
COMMENT ON COLUMN devices.next_key_sha256 IS 'Of the key that the device has drawn to follow its own: opens what the other opens, and takes its place when it is first used.';
COMMENT ON COLUMN devices.paired_at IS 'When it last became its room''s kiosk by a code; NULL: by a link that held its key.';
COMMENT ON COLUMN devices.key_drawn_at IS 'When the device drew its key; NULL: the key was handed to it in a link, and is kept until the office asks for another.';
COMMENT ON COLUMN devices.key_wanted_at IS 'When the office asked for a new key; NULL: it has not, or there is one.';

-- A server that keeps the devices in memory must hear of these, too.
DROP TRIGGER changed_devices_are_told ON devices;
CREATE TRIGGER changed_devices_are_told AFTER UPDATE ON devices FOR EACH ROW
  WHEN ((OLD.device_id, OLD.classroom_id, OLD.key_sha256, OLD.next_key_sha256, OLD.revoked_at, OLD.fenced_at, OLD.key_drawn_at, OLD.key_wanted_at)
    IS DISTINCT FROM (NEW.device_id, NEW.classroom_id, NEW.key_sha256, NEW.next_key_sha256, NEW.revoked_at, NEW.fenced_at, NEW.key_drawn_at, NEW.key_wanted_at))
  EXECUTE FUNCTION tell_of_device();

-- ---------------------------------------------------------------- which rooms a kiosk may mark for
-- A kiosk marks the lessons of its room. What it made in a room where it stood before, or in a lesson that has been moved since, may
-- still be on its way: so it is remembered for a while where both have been.

CREATE TABLE rooms_before (
  of           text NOT NULL CHECK (of IN ('device', 'schedule')),
  id           wire_id NOT NULL,
  classroom_id wire_id NOT NULL,
  until        timestamptz NOT NULL,
  PRIMARY KEY (of, id, classroom_id)
);
COMMENT ON TABLE rooms_before IS 'The rooms that a device stood in, and that a row of the timetable was in, before the one they are in now, and until when.';

CREATE FUNCTION keep_room_before() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO rooms_before (of, id, classroom_id, until)
  VALUES (TG_ARGV[0], CASE TG_ARGV[0] WHEN 'device' THEN to_jsonb(OLD) ->> 'device_id' ELSE to_jsonb(OLD) ->> 'schedule_id' END, OLD.classroom_id, now())
  ON CONFLICT (of, id, classroom_id) DO UPDATE SET until = excluded.until;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION keep_room_before IS 'Remembers the room that a device or a row of the timetable has just left.';
CREATE TRIGGER room_before_is_kept AFTER UPDATE OF classroom_id ON devices FOR EACH ROW WHEN (OLD.classroom_id <> NEW.classroom_id) EXECUTE FUNCTION keep_room_before('device');
CREATE TRIGGER room_before_is_kept AFTER UPDATE OF classroom_id ON schedules FOR EACH ROW WHEN (OLD.classroom_id <> NEW.classroom_id) EXECUTE FUNCTION keep_room_before('schedule');
