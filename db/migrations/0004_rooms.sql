-- What a room does about pictures held before its camera. Agrees with LivenessPolicy of #contract/device.
ALTER TABLE classrooms ADD COLUMN liveness text NOT NULL DEFAULT 'watch' CHECK (liveness IN ('off', 'watch', 'require'));
COMMENT ON COLUMN classrooms.liveness IS 'off: nothing. watch: students are marked at once, and a mark that looks like a picture''s is flagged for the teacher. require: no mark before the face has shown that it lives.';
