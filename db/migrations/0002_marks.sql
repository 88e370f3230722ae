-- How a mark came about, what is doubtful about it, and the way without a face.

ALTER TABLE attendance_logs ADD COLUMN method text
  CONSTRAINT method_is_known CHECK (method IN ('face', 'face_and_tap', 'face_and_pin', 'pin'));
COMMENT ON COLUMN attendance_logs.method IS 'The face alone; the face, confirmed by a tap or a PIN; a PIN alone. NULL: a script''s record, or one from before this was told.';
COMMENT ON COLUMN attendance_logs.confidence IS 'Cosine of the match, 0 to 1; 1 for a PIN alone.';

-- Marks are never changed, and a kiosk may come to doubt one long after it was stored. A doubt is a row of
-- its own, known by mark and doubt: a replay meets that key and changes nothing. It refers to no mark, so that
-- a month of marks can still be dropped whole.
CREATE TABLE mark_doubts (
  held_on     date NOT NULL,
  lesson_id   wire_id NOT NULL,
  student_id  wire_id NOT NULL REFERENCES students,
  doubt       text NOT NULL CHECK (doubt IN ('no_life_seen', 'looks_like_a_picture')),
  device_id   wire_id REFERENCES devices,
  received_at timestamptz NOT NULL,
  PRIMARY KEY (held_on, lesson_id, student_id, doubt)
);
COMMENT ON TABLE mark_doubts IS 'Why a person should look at a mark: no_life_seen, the face showed no life; looks_like_a_picture, it moved like a picture. It changes no status: a correction does.';
CREATE TRIGGER doubts_are_kept BEFORE UPDATE ON mark_doubts FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE student_pins (
  student_id wire_id PRIMARY KEY REFERENCES students ON DELETE CASCADE,
  salt       bytea NOT NULL CHECK (octet_length(salt) >= 16),
  hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
  iterations integer NOT NULL CHECK (iterations BETWEEN 1000 AND 10000000),
  set_at     timestamptz NOT NULL
);
COMMENT ON TABLE student_pins IS 'What a PIN typed at a kiosk is checked against: PBKDF2 with SHA-256 of its digits. A few digits are soon guessed by one who holds this: it is to be treated as the PIN itself.';
CREATE CONSTRAINT TRIGGER student_pins_move_roster_version AFTER INSERT OR UPDATE OR DELETE ON student_pins
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION move_roster_version();
