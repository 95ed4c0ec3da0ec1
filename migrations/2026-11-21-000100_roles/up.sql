-- Five roles, none of them a superuser and none exempt from row level security:
--   payaid_owner   owns every object; migrations run as it; nobody logs in as it
--   payaid_server  what the server connects as, or what its login is a member of; owns nothing
--   payaid_search  owns the few functions that search past row level security on purpose; nobody logs in as it
--   payaid_janitor owns the functions that delete what has expired, of all tenants; nobody logs in as it
--   payaid_worker  owns the tables of the queue of jobs, and sees nothing else; what `payaid worker` takes jobs from the queue as
-- Roles belong to the whole cluster, so they may be there already.
DO $$
DECLARE
  wanted record;
BEGIN
  FOR wanted IN
    SELECT * FROM (VALUES
      ('payaid_owner', 'NOLOGIN'),
      ('payaid_search', 'NOLOGIN'),
      ('payaid_janitor', 'NOLOGIN'),
      ('payaid_server', 'LOGIN'),
      ('payaid_worker', 'LOGIN')
    ) AS roles (name, login)
  LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I %s NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION', wanted.name, wanted.login);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL; -- another database of this cluster is being migrated at the same time
      END;
    END IF;
  END LOOP;
  EXECUTE format('GRANT payaid_owner, payaid_search, payaid_janitor, payaid_worker TO %I', current_user);
EXCEPTION WHEN others THEN
  -- Granting twice at the same moment fails with a concurrent update; the other one did it.
  IF SQLERRM NOT LIKE '%concurrently updated%' THEN RAISE; END IF;
END
$$;

GRANT USAGE, CREATE ON SCHEMA public TO payaid_owner;
GRANT USAGE, CREATE ON SCHEMA public TO payaid_search;
GRANT USAGE, CREATE ON SCHEMA public TO payaid_janitor;
GRANT USAGE, CREATE ON SCHEMA public TO payaid_worker;
GRANT USAGE ON SCHEMA public TO payaid_server;
GRANT SELECT ON __diesel_schema_migrations TO payaid_server;
-- A migration that has become the owner is recorded as the owner.
GRANT SELECT, INSERT, DELETE ON __diesel_schema_migrations TO payaid_owner;

CREATE EXTENSION IF NOT EXISTS btree_gin;

SET LOCAL ROLE payaid_owner;

-- The tenant of the running transaction; NULL when none was set, so that policies then show nothing. After a transaction-local set_config the
-- setting is an empty string rather than NULL, hence nullif.
CREATE FUNCTION app_organization_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
  RETURN nullif(current_setting('app.organization_id', true), '')::uuid;

-- The signed-in user of the running transaction, likewise.
CREATE FUNCTION app_user_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
  RETURN nullif(current_setting('app.user_id', true), '')::uuid;

-- Turns row level security on for a tenant table, with the one policy that all of them share, and lets the server read and write it.
CREATE FUNCTION make_tenant_table(target regclass, privileges text DEFAULT 'SELECT, INSERT, UPDATE, DELETE') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
  EXECUTE format(
    'CREATE POLICY tenant ON %s TO payaid_server USING (organization_id = (SELECT app_organization_id())) WITH CHECK (organization_id = (SELECT app_organization_id()))',
    target);
  EXECUTE format('GRANT %s ON %s TO payaid_server', privileges, target);
END
$$;
REVOKE EXECUTE ON FUNCTION make_tenant_table(regclass, text) FROM PUBLIC;
