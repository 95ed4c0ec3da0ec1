SET LOCAL ROLE payaid_owner;

-- Keys by which programs of partners ask. Of a key itself only the SHA-256 is here. Rows are never deleted: the audit log refers to them.
CREATE TABLE api_keys (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  name text NOT NULL,
  secret_hash text NOT NULL UNIQUE,
  scopes text[] NOT NULL CHECK (cardinality(scopes) > 0 AND array_position(scopes, NULL) IS NULL),
  allowed_ips text[] NOT NULL DEFAULT '{}' CHECK (array_position(allowed_ips, NULL) IS NULL),
  created_by uuid NOT NULL,
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, created_by) REFERENCES memberships (organization_id, user_id)
);
CREATE INDEX api_keys_by_created ON api_keys (organization_id, created_at, id);
CREATE INDEX api_keys_by_name ON api_keys (organization_id, name, id);
CREATE INDEX api_keys_by_creator ON api_keys (organization_id, created_by, created_at, id);
SELECT make_tenant_table('api_keys', 'SELECT, INSERT, UPDATE');
-- Before a tenant is known, app.token_hash shows the one row that the presented key belongs to.
CREATE POLICY token ON api_keys FOR SELECT TO payaid_server USING (secret_hash = (SELECT nullif(current_setting('app.token_hash', true), '')));
