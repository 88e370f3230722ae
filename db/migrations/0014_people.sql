-- Who may sign in, and whose courses, student and second factor are theirs.

ALTER TABLE accounts
  DROP CONSTRAINT accounts_role_check,
  ADD CONSTRAINT accounts_role_check CHECK (role IN ('office', 'teacher', 'privacy', 'student')),
  -- Who only ever comes by the school's own login has none.
  ALTER COLUMN password_hash DROP NOT NULL,
  ADD COLUMN student_id text UNIQUE REFERENCES students ON DELETE CASCADE,
  ADD COLUMN email text CHECK (email <> ''),
  ADD COLUMN disabled_at timestamptz,
  ADD COLUMN epoch integer NOT NULL DEFAULT 0,
  ADD COLUMN totp_sealed bytea,
  ADD COLUMN totp_wanted_sealed bytea,
  ADD COLUMN totp_step bigint,
  ADD COLUMN login_issuer text,
  ADD COLUMN login_subject text,
  ADD CONSTRAINT accounts_student_is_named CHECK ((role = 'student') = (student_id IS NOT NULL)),
  ADD CONSTRAINT accounts_login_is_whole CHECK ((login_issuer IS NULL) = (login_subject IS NULL));
CREATE UNIQUE INDEX accounts_by_email ON accounts (lower(email));
CREATE UNIQUE INDEX accounts_by_login ON accounts (login_issuer, login_subject);
COMMENT ON COLUMN accounts.student_id IS 'Of a student''s account: whose. It goes with the student.';
COMMENT ON COLUMN accounts.disabled_at IS 'Since when nobody gets in; NULL: the account works.';
COMMENT ON COLUMN accounts.epoch IS 'Counted up whenever everything that was given out for the account is to end: a token of another epoch is refused.';
COMMENT ON COLUMN accounts.totp_sealed IS 'The second factor''s secret under a key outside the database; NULL: name and password are enough.';
COMMENT ON COLUMN accounts.totp_wanted_sealed IS 'The same, of a second factor that is being set up: it counts once a code of it was typed.';
COMMENT ON COLUMN accounts.totp_step IS 'The newest 30 seconds (since 1970) whose code was used: no code is taken twice.';
COMMENT ON COLUMN accounts.login_subject IS 'Who this is to the school''s own login, from the first time on: a name or an address that somebody else gets later opens nothing.';

CREATE TABLE account_recovery_codes (
  account_id  integer NOT NULL REFERENCES accounts ON DELETE CASCADE,
  code_sha256 bytea NOT NULL CHECK (octet_length(code_sha256) = 32),
  PRIMARY KEY (account_id, code_sha256)
);
COMMENT ON TABLE account_recovery_codes IS 'Each stands for one code of the second factor, once: it is deleted when it is used. Codes are random, 80 bits.';

CREATE TABLE course_teachers (
  course_id  text NOT NULL REFERENCES courses ON DELETE CASCADE,
  account_id integer NOT NULL REFERENCES accounts ON DELETE CASCADE,
  PRIMARY KEY (account_id, course_id)
);
CREATE INDEX course_teachers_by_course ON course_teachers (course_id);
COMMENT ON TABLE course_teachers IS 'Which courses a teacher''s account may see and correct.';
