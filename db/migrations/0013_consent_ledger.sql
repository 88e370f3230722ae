-- Which words were agreed to, by whom and how; what was erased, and which kiosks have forgotten it; how long each kind of data is kept.

-- ---------------------------------------------------------------- what an erasure may change

CREATE TABLE deletion_certificates (
  certificate_id uuid PRIMARY KEY,
  kind           text NOT NULL CHECK (kind IN ('biometrics', 'person', 'retention')),
  student_id     text,
  made_at        timestamptz NOT NULL,
  made_by        text NOT NULL CHECK (made_by <> ''),
  counts         jsonb NOT NULL,
  marks          text CHECK (marks IN ('pseudonym', 'delete')),
  CONSTRAINT person_is_not_named CHECK (kind <> 'person' OR student_id IS NULL)
);
CREATE INDEX deletion_certificates_by_time ON deletion_certificates (made_at, certificate_id);
COMMENT ON TABLE deletion_certificates IS 'What was erased, how much of each kind, when and by whom. certificate_id is all that leads to it: of a person who was erased nothing is named here, and nothing says under which pseudonym their marks are kept.';
COMMENT ON COLUMN deletion_certificates.student_id IS 'Whose templates were erased; NULL for a person that was erased, and after that for what had been erased of them before.';
COMMENT ON COLUMN deletion_certificates.marks IS 'What became of a person''s marks: under a pseudonym, or deleted; NULL for every other kind.';

-- Set for the transaction by who writes the certificate: so that one row is looked up, and by its key.
CREATE FUNCTION certified_here(VARIADIC kinds text[]) RETURNS boolean LANGUAGE sql STABLE AS $$
  -- xmin: written by this very transaction.
  SELECT EXISTS (
    SELECT FROM deletion_certificates c
    WHERE c.certificate_id = nullif(current_setting('fastrackai.certificate', true), '')::uuid
      AND c.kind = ANY (kinds) AND c.xmin = pg_current_xact_id()::xid)
$$;
COMMENT ON FUNCTION certified_here IS 'Whether this transaction has written a certificate of one of these kinds: who erases has said so in the record itself.';

CREATE FUNCTION refuse_change_of_certificate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.student_id IS NULL AND certified_here('person')
     AND to_jsonb(NEW) - 'student_id' = to_jsonb(OLD) - 'student_id' THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION '% of deletion_certificates is refused: its rows are kept as they were written', TG_OP
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER certificates_are_kept BEFORE UPDATE OR DELETE ON deletion_certificates FOR EACH ROW EXECUTE FUNCTION refuse_change_of_certificate();
CREATE TRIGGER certificates_are_not_emptied BEFORE TRUNCATE ON deletion_certificates FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A mark, a correction and a doubt may come to stand under a pseudonym, when a person is erased and in no other way.
-- The arguments are the columns that may change then.
CREATE FUNCTION refuse_change_but_pseudonym() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF to_jsonb(NEW) - TG_ARGV = to_jsonb(OLD) - TG_ARGV AND certified_here('person') THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'UPDATE of % is refused: its rows are kept as they were written', TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$;

DROP TRIGGER marks_are_kept ON attendance_logs;
CREATE TRIGGER marks_are_kept BEFORE UPDATE ON attendance_logs FOR EACH ROW EXECUTE FUNCTION refuse_change_but_pseudonym('student_id', 'mark_id');
DROP TRIGGER doubts_are_kept ON mark_doubts;
CREATE TRIGGER doubts_are_kept BEFORE UPDATE ON mark_doubts FOR EACH ROW EXECUTE FUNCTION refuse_change_but_pseudonym('student_id');
DROP TRIGGER corrections_are_kept ON corrections;
CREATE TRIGGER corrections_are_kept BEFORE UPDATE ON corrections FOR EACH ROW EXECUTE FUNCTION refuse_change_but_pseudonym('student_id', 'note');
CREATE TRIGGER corrections_are_not_emptied BEFORE TRUNCATE ON corrections FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE OR REPLACE FUNCTION refuse_deletion_without_retention() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT certified_here('person')
     AND NOT EXISTS (SELECT FROM retention_runs r WHERE OLD.held_on < r.before AND r.xmin = pg_current_xact_id()::xid) THEN
    RAISE EXCEPTION 'DELETE of corrections is refused: its rows are kept as they were written, until their month is dropped by retention'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;

-- ---------------------------------------------------------------- the words

CREATE TABLE consent_texts (
  text_id  wire_id NOT NULL,
  version  integer NOT NULL CHECK (version > 0),
  language text NOT NULL CHECK (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$'),
  words    text NOT NULL CHECK (words <> ''),
  made_at  timestamptz NOT NULL,
  made_by  text NOT NULL CHECK (made_by <> ''),
  PRIMARY KEY (text_id, version, language)
);
COMMENT ON TABLE consent_texts IS 'What people are asked to agree to. Never changed: other words are a new version. own-words: words that came with a consent itself, from an older app or a script, in a language that nobody named (und).';

CREATE FUNCTION refuse_change_of_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Somebody's own words may name them.
  IF TG_OP = 'DELETE' AND OLD.text_id = 'own-words' AND certified_here('person', 'retention') THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION '% of consent_texts is refused: its rows are kept as they were written; other words are a new version', TG_OP
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER texts_are_kept BEFORE UPDATE OR DELETE ON consent_texts FOR EACH ROW EXECUTE FUNCTION refuse_change_of_text();
CREATE TRIGGER texts_are_not_emptied BEFORE TRUNCATE ON consent_texts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

INSERT INTO consent_texts (text_id, version, language, words, made_at, made_by) VALUES
  ('school', 1, 'en', 'The school makes a face template from photos of the student and uses it for one purpose: to mark attendance in the lessons the student is enrolled in. The photos are not kept. Saying no, or withdrawing later, has no disadvantage: the template is erased at once and the teacher takes attendance instead.', now(), 'migration'),
  ('school', 1, 'sv', 'Skolan gör en ansiktsmall av foton på eleven och använder den till en enda sak: att markera närvaro på de lektioner som eleven är anmäld till. Fotona sparas inte. Att säga nej, eller att ta tillbaka samtycket senare, innebär ingen nackdel: mallen raderas genast och läraren tar närvaron i stället.', now(), 'migration');

CREATE FUNCTION own_words(said text, at timestamptz) RETURNS consent_texts LANGUAGE plpgsql AS $$
DECLARE
  found_text consent_texts;
BEGIN
  SELECT * INTO found_text FROM consent_texts t WHERE t.words = said ORDER BY (t.text_id = 'own-words'), t.text_id, t.version DESC, t.language LIMIT 1;
  IF FOUND THEN
    RETURN found_text;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('fastrackai.consent_texts'));
  SELECT * INTO found_text FROM consent_texts t WHERE t.words = said ORDER BY t.text_id, t.version DESC LIMIT 1;
  IF NOT FOUND THEN
    INSERT INTO consent_texts (text_id, version, language, words, made_at, made_by)
    SELECT 'own-words', coalesce(max(t.version), 0) + 1, 'und', said, at, 'consent' FROM consent_texts t WHERE t.text_id = 'own-words'
    RETURNING * INTO found_text;
  END IF;
  RETURN found_text;
END $$;
COMMENT ON FUNCTION own_words IS 'The text of these very words: one that is there already, or a new one of own-words.';

-- ---------------------------------------------------------------- who agreed, and how

ALTER TABLE school ADD COLUMN guardian_required boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN school.guardian_required IS 'Whether a guardian must consent for students of whom nothing else is said.';
ALTER TABLE students ADD COLUMN guardian_required boolean, ADD COLUMN erased_at timestamptz;
COMMENT ON COLUMN students.guardian_required IS 'Whether a guardian must consent for this student; NULL: as the school says.';
COMMENT ON COLUMN students.erased_at IS 'Since when this row is nobody: a pseudonym under which the marks of a person who was erased are kept; NULL: a student.';

ALTER TABLE consents
  ADD COLUMN text_id      wire_id,
  ADD COLUMN text_version integer,
  ADD COLUMN language     text,
  ADD COLUMN giver        text CHECK (giver IN ('student', 'guardian')),
  ADD COLUMN relationship text NOT NULL DEFAULT '',
  ADD COLUMN way          text CHECK (way IN ('paper', 'screen')),
  ADD COLUMN recorded_at  timestamptz,
  ADD COLUMN recorded_by  text NOT NULL DEFAULT 'unknown' CHECK (recorded_by <> ''),
  ADD COLUMN withdrawn_by text CHECK (withdrawn_by <> '');

ALTER TABLE consents DISABLE TRIGGER USER;
WITH said AS MATERIALIZED (SELECT DISTINCT ON (statement) statement, given_at FROM consents ORDER BY statement, given_at),
     texts AS MATERIALIZED (SELECT s.statement, own_words(s.statement, s.given_at) AS text FROM said s)
UPDATE consents c SET text_id = (t.text).text_id, text_version = (t.text).version, language = (t.text).language, recorded_at = c.given_at
FROM texts t WHERE t.statement = c.statement;
ALTER TABLE consents ENABLE TRIGGER USER;

ALTER TABLE consents
  ALTER COLUMN text_id SET NOT NULL,
  ALTER COLUMN text_version SET NOT NULL,
  ALTER COLUMN language SET NOT NULL,
  ALTER COLUMN recorded_at SET NOT NULL,
  ADD CONSTRAINT consents_text_fkey FOREIGN KEY (text_id, text_version, language) REFERENCES consent_texts;
CREATE INDEX consents_of_student ON consents (student_id);
CREATE INDEX consents_of_text ON consents (text_id, text_version, language);
COMMENT ON COLUMN consents.giver IS 'Who said yes; NULL: it was not told.';
COMMENT ON COLUMN consents.relationship IS 'Of a guardian: to the student.';
COMMENT ON COLUMN consents.given_at IS 'When it was given; recorded_at: when it was put on record here, by recorded_by.';
COMMENT ON COLUMN consents.statement IS 'The words themselves, as consent_texts has them under text_id, text_version and language.';

CREATE FUNCTION name_words_of_consent() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  text consent_texts;
BEGIN
  NEW.recorded_at := coalesce(NEW.recorded_at, NEW.given_at);
  IF NEW.text_id IS NULL THEN
    text := own_words(NEW.statement, NEW.recorded_at);
    NEW.text_id := text.text_id;
    NEW.text_version := text.version;
    NEW.language := text.language;
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION name_words_of_consent IS 'A consent that names no text, from an older app or in SQL, is one to its own words.';
CREATE TRIGGER consents_name_their_words BEFORE INSERT ON consents FOR EACH ROW EXECUTE FUNCTION name_words_of_consent();

CREATE OR REPLACE FUNCTION refuse_change_of_consent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.withdrawn_at IS NULL AND NEW.withdrawn_at IS NOT NULL
     AND to_jsonb(NEW) - '{withdrawn_at,withdrawn_by}'::text[] = to_jsonb(OLD) - '{withdrawn_at,withdrawn_by}'::text[] THEN
    RETURN NEW;
  END IF;
  IF certified_here('person')
     AND to_jsonb(NEW) - '{student_id,given_by,relationship,statement,text_id,text_version,language}'::text[]
       = to_jsonb(OLD) - '{student_id,given_by,relationship,statement,text_id,text_version,language}'::text[] THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'a consent can only be withdrawn, once; it is kept as it was given'
    USING ERRCODE = 'restrict_violation';
END $$;

DROP TRIGGER consents_are_not_deleted ON consents;
CREATE FUNCTION refuse_deletion_of_consents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND certified_here('retention') THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION '% of consents is refused: its rows are kept as they were written', TG_OP
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER consents_are_not_deleted BEFORE DELETE OR TRUNCATE ON consents FOR EACH STATEMENT EXECUTE FUNCTION refuse_deletion_of_consents();
COMMENT ON TABLE consents IS 'Who agreed to what, and when. Rows stay; the only change allowed is to set withdrawn_at, once, and those that ended long ago go with a certificate. At most one is in force for each student.';

-- ---------------------------------------------------------------- which kiosks have forgotten

CREATE TABLE forgettings (
  forgetting_id  integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  kind           text NOT NULL CHECK (kind IN ('withdrawal', 'biometrics', 'person', 'retention')),
  student_id     text,
  forgotten_at   timestamptz NOT NULL,
  asked_by       text NOT NULL CHECK (asked_by <> ''),
  roster_version bigint NOT NULL,
  certificate_id uuid REFERENCES deletion_certificates
);
CREATE INDEX forgettings_by_certificate ON forgettings (certificate_id);
CREATE INDEX forgettings_by_time ON forgettings (forgotten_at);
COMMENT ON TABLE forgettings IS 'Each time that templates were erased here and kiosks had to forget them: by a withdrawal, an erasure, or because their time was over. A kiosk has forgotten once it holds a roster of this roster_version or a later one.';
COMMENT ON COLUMN forgettings.student_id IS 'NULL: several students, or one who was erased.';

CREATE TABLE forgetting_kiosks (
  forgetting_id integer NOT NULL REFERENCES forgettings ON DELETE CASCADE,
  device_id     wire_id NOT NULL REFERENCES devices ON DELETE CASCADE,
  confirmed_at  timestamptz,
  PRIMARY KEY (forgetting_id, device_id)
);
CREATE INDEX forgetting_kiosks_open ON forgetting_kiosks (device_id) WHERE confirmed_at IS NULL;
COMMENT ON TABLE forgetting_kiosks IS 'The kiosks that were paired at that time. confirmed_at: when one first told that it holds a roster that is new enough, or none. A kiosk that never does has forgotten 7 days later all the same, and so has a revoked one.';

CREATE FUNCTION follow_forgetting(kind text, student_id text, forgotten_at timestamptz, asked_by text, certificate_id uuid) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  id integer;
BEGIN
  INSERT INTO forgettings (kind, student_id, forgotten_at, asked_by, roster_version, certificate_id)
  SELECT follow_forgetting.kind, follow_forgetting.student_id, follow_forgetting.forgotten_at, follow_forgetting.asked_by, s.roster_version, follow_forgetting.certificate_id FROM school s
  RETURNING forgetting_id INTO id;
  INSERT INTO forgetting_kiosks (forgetting_id, device_id) SELECT id, d.device_id FROM devices d WHERE d.revoked_at IS NULL AND id IS NOT NULL;
  RETURN id;
END $$;
COMMENT ON FUNCTION follow_forgetting IS 'To be asked when this transaction has moved the version: at its commit.';

-- Fires after consents_move_roster_version, whose name comes first, so that the version is this transaction's. An erasure
-- follows for itself, and a consent that another takes the place of erases nothing.
CREATE FUNCTION follow_withdrawal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.withdrawn_at IS NULL AND NEW.withdrawn_at IS NOT NULL AND NOT certified_here('biometrics', 'person', 'retention')
     AND NOT EXISTS (SELECT FROM consents c WHERE c.student_id = NEW.student_id AND c.withdrawn_at IS NULL) THEN
    PERFORM follow_forgetting('withdrawal', NEW.student_id, NEW.withdrawn_at, coalesce(NEW.withdrawn_by, 'unknown'), NULL);
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER withdrawals_are_followed AFTER UPDATE ON consents
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION follow_withdrawal();

-- An erasure's certificate is written first in its transaction, so these two fire first at its commit, and in this order.
CREATE FUNCTION erases_at_kiosks(kind text, counts jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN kind <> 'retention' OR coalesce((counts ->> 'templates')::integer, 0) > 0;

CREATE FUNCTION follow_certificate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM follow_forgetting(NEW.kind, NEW.student_id, NEW.made_at, NEW.made_by, NEW.certificate_id);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER a_certificate_moves_roster_version AFTER INSERT ON deletion_certificates
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (erases_at_kiosks(NEW.kind, NEW.counts)) EXECUTE FUNCTION move_roster_version();
CREATE CONSTRAINT TRIGGER certificates_are_followed AFTER INSERT ON deletion_certificates
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (erases_at_kiosks(NEW.kind, NEW.counts)) EXECUTE FUNCTION follow_certificate();

-- ---------------------------------------------------------------- how long each kind of data is kept

CREATE TABLE retention_rules (
  kind       text PRIMARY KEY,
  days       integer CHECK (days BETWEEN 1 AND 36500),
  changed_at timestamptz NOT NULL DEFAULT now(),
  changed_by text NOT NULL DEFAULT 'default' CHECK (changed_by <> '')
);
COMMENT ON TABLE retention_rules IS 'Days that each kind of data is kept, as the privacy officer has set them; NULL: for good. Marks go by whole months, as whoever runs the server has set (RETENTION_MONTHS).';
INSERT INTO retention_rules (kind, days) VALUES
  ('templates', 396), ('templates_of_leavers', 30), ('consents', 1096), ('set_aside', 396), ('sessions', 1), ('alarms', 396), ('audit', 1826);

CREATE TABLE rule_rounds (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  last_at  timestamptz NOT NULL
);
COMMENT ON TABLE rule_rounds IS 'One row: when a server last looked whether anything is older than retention_rules allow.';
