SET LOCAL ROLE payaid_owner;

-- Append-only for the server: it may insert and read, and has no right to change or delete an entry.
CREATE TABLE audit_entries (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  at timestamptz NOT NULL,
  actor_id uuid,
  api_key_id uuid,
  action text NOT NULL,
  noun text NOT NULL,
  row_id uuid NOT NULL,
  before jsonb,
  after jsonb,
  request_id text NOT NULL,
  -- Where the entry stands among all events. What bears the number of a transaction below pg_snapshot_xmin(pg_current_snapshot()) is complete: no
  -- entry can come to stand before it any more, in whatever order transactions end.
  tx bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
  seq bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, api_key_id) REFERENCES api_keys (organization_id, id)
);
CREATE INDEX audit_entries_by_at ON audit_entries (organization_id, at, id);
CREATE INDEX audit_entries_by_row ON audit_entries (organization_id, row_id, at, id);
CREATE INDEX audit_entries_by_position ON audit_entries (organization_id, tx, seq);
CREATE INDEX audit_entries_by_actor ON audit_entries (organization_id, actor_id, at, id);
-- Most entries are of people.
CREATE INDEX audit_entries_by_api_key ON audit_entries (organization_id, api_key_id, at, id) WHERE api_key_id IS NOT NULL;
SELECT make_tenant_table('audit_entries', 'SELECT, INSERT');

-- The instant, the request and the API key of the running transaction, as the server told it; NULL for the key of whoever asks without one.
CREATE FUNCTION app_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
  RETURN coalesce(nullif(current_setting('app.now', true), '')::timestamptz, now());
CREATE FUNCTION app_request_id() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
  RETURN coalesce(current_setting('app.request_id', true), '');
CREATE FUNCTION app_api_key_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
  RETURN nullif(current_setting('app.api_key_id', true), '')::uuid;

-- A UUIDv7 of an instant (RFC 9562, 5.7): 48 bits of milliseconds, then random bits around version and variant.
CREATE FUNCTION fresh_id(at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE
  RETURN encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid()) PLACING substring(int8send((extract(epoch FROM at) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
      52, 1), 53, 1), 'hex')::uuid;

-- What the database changes by itself, because a row that this one refers to was deleted, is a change as any other: it is counted ...
CREATE FUNCTION count_side_effect() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  NEW.version := OLD.version + 1;
  NEW.updated_at := app_now();
  RETURN NEW;
END
$$;

-- ... and has its entry in the audit log, with what differs, or with the whole of a row that went: all that one statement changes by one statement, since
-- others are fired by it, and a company may have thousands of contacts. A row that changed twice has two entries, told apart by what it counts.
CREATE FUNCTION note_side_effect() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  noun CONSTANT text := TG_ARGV[0];
  -- Asked for once, and not for each row.
  moment CONSTANT timestamptz := app_now();
  actor CONSTANT uuid := app_user_id();
  api_key CONSTANT uuid := app_api_key_id();
  request CONSTANT text := app_request_id();
BEGIN
  IF TG_OP = 'DELETE' THEN
    INSERT INTO audit_entries (organization_id, id, at, actor_id, api_key_id, action, noun, row_id, before, after, request_id)
    SELECT o.organization_id, fresh_id(moment), moment, actor, api_key, noun || '.delete', noun, o.id,
      to_jsonb(o) - 'organization_id', NULL, request
    FROM old_rows o;
    RETURN NULL;
  END IF;
  INSERT INTO audit_entries (organization_id, id, at, actor_id, api_key_id, action, noun, row_id, before, after, request_id)
  SELECT o.organization_id, fresh_id(moment), moment, actor, api_key, noun || '.update', noun, o.id,
    differing.was, differing.became, request
  FROM old_rows o
  JOIN new_rows n ON n.organization_id = o.organization_id AND n.id = o.id AND n.version = o.version + 1
  CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(w.key, w.value) AS was, jsonb_object_agg(b.key, b.value) AS became
    FROM jsonb_each(to_jsonb(o) - 'organization_id') w JOIN jsonb_each(to_jsonb(n) - 'organization_id') b USING (key)
    WHERE w.value IS DISTINCT FROM b.value) differing;
  RETURN NULL;
END
$$;

-- Has both done for a table whose foreign keys say ON DELETE. The server's own statements stand at depth 0 and are noted by the server.
CREATE FUNCTION note_side_effects(target regclass, noun text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format(
    'CREATE TRIGGER count_side_effect BEFORE UPDATE ON %s FOR EACH ROW WHEN (pg_trigger_depth() > 0) EXECUTE FUNCTION count_side_effect()', target);
  EXECUTE format(
    'CREATE TRIGGER note_side_effect AFTER UPDATE ON %s REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
     FOR EACH STATEMENT WHEN (pg_trigger_depth() > 0) EXECUTE FUNCTION note_side_effect(%L)', target, noun);
  EXECUTE format(
    'CREATE TRIGGER note_side_effect_of_deletion AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows
     FOR EACH STATEMENT WHEN (pg_trigger_depth() > 0) EXECUTE FUNCTION note_side_effect(%L)', target, noun);
END
$$;
REVOKE EXECUTE ON FUNCTION note_side_effects(regclass, text), count_side_effect(), note_side_effect() FROM PUBLIC;
