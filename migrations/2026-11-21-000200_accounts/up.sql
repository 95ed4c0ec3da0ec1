SET LOCAL ROLE payaid_owner;

CREATE TABLE organizations (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  gstin text,
  state_code text NOT NULL,
  time_zone text NOT NULL DEFAULT 'Asia/Kolkata',
  locale text NOT NULL DEFAULT 'en-IN',
  plan text NOT NULL DEFAULT 'FREE' CHECK (plan IN ('FREE', 'BASIC', 'PRO', 'ENTERPRISE')),
  -- When what the plan is was said: what was said earlier changes nothing any more.
  plan_as_of timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1
);

-- A person may belong to several organizations, so users are not a tenant table; what shows them is below.
CREATE TABLE users (
  id uuid PRIMARY KEY,
  email text NOT NULL UNIQUE,
  name text NOT NULL,
  password_hash text NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1
);

-- Members who leave keep their row, so that what they did keeps their name.
CREATE TABLE memberships (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  user_id uuid NOT NULL REFERENCES users (id),
  role text NOT NULL CHECK (role IN ('OWNER', 'ADMIN', 'MANAGER', 'SALES', 'FINANCE', 'SUPPORT', 'VIEWER')),
  removed_at timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (organization_id, id),
  UNIQUE (organization_id, user_id)
);
CREATE INDEX memberships_by_user ON memberships (user_id);
CREATE INDEX memberships_by_created ON memberships (organization_id, created_at, id);

CREATE TABLE invitations (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  email text NOT NULL,
  role text NOT NULL CHECK (role IN ('ADMIN', 'MANAGER', 'SALES', 'FINANCE', 'SUPPORT', 'VIEWER')),
  token_hash text NOT NULL UNIQUE,
  invited_by uuid NOT NULL,
  expires_at timestamptz NOT NULL,
  accepted_at timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, invited_by) REFERENCES memberships (organization_id, user_id)
);
CREATE INDEX invitations_by_created ON invitations (organization_id, created_at, id);
CREATE INDEX invitations_by_email ON invitations (organization_id, email);
CREATE INDEX invitations_by_expiry ON invitations (expires_at);

-- One row for each signed-in device. A refresh token is a family, which stays, and a secret, which changes with each use: the family finds the row
-- whatever the secret's age, so that any token but the newest is noticed; the one before the newest is kept for a device that did not get its answer.
CREATE TABLE sessions (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  user_id uuid NOT NULL,
  family_hash text NOT NULL UNIQUE,
  refresh_hash text NOT NULL,
  previous_hash text,
  rotated_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, user_id) REFERENCES memberships (organization_id, user_id)
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- The tenant policy alone would hide from a person signing in what she may see before an organization is chosen. So, beside the tenant:
--   app.user_id      the user who has proven to be herself sees her own user, memberships, organizations and sessions
--   app.email        the address that is signing in (or up) shows the one user of that address
--   app.token_hash   the hash of a refresh token's family, an invitation token or an API key shows the row that it belongs to
ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON organizations TO payaid_server
  USING (id = (SELECT app_organization_id())
    OR id IN (SELECT organization_id FROM memberships WHERE user_id = (SELECT app_user_id()) AND removed_at IS NULL))
  WITH CHECK (id = (SELECT app_organization_id()));
GRANT SELECT, INSERT, UPDATE ON organizations TO payaid_server;

ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY visible ON users FOR SELECT TO payaid_server
  USING (id = (SELECT app_user_id())
    OR email = (SELECT nullif(current_setting('app.email', true), ''))
    OR EXISTS (SELECT FROM memberships WHERE memberships.organization_id = (SELECT app_organization_id()) AND memberships.user_id = users.id));
CREATE POLICY insert_self ON users FOR INSERT TO payaid_server WITH CHECK (id = (SELECT app_user_id()));
CREATE POLICY update_self ON users FOR UPDATE TO payaid_server USING (id = (SELECT app_user_id())) WITH CHECK (id = (SELECT app_user_id()));
GRANT SELECT, INSERT, UPDATE ON users TO payaid_server;

SELECT make_tenant_table('memberships', 'SELECT, INSERT, UPDATE');
CREATE POLICY own ON memberships FOR SELECT TO payaid_server USING (user_id = (SELECT app_user_id()));

SELECT make_tenant_table('invitations');
CREATE POLICY token ON invitations FOR SELECT TO payaid_server USING (token_hash = (SELECT nullif(current_setting('app.token_hash', true), '')));

SELECT make_tenant_table('sessions');
-- A password change, and moving to another organization, end sessions of the same user elsewhere.
CREATE POLICY own ON sessions FOR SELECT TO payaid_server USING (user_id = (SELECT app_user_id()));
CREATE POLICY update_own ON sessions FOR UPDATE TO payaid_server
  USING (user_id = (SELECT app_user_id())) WITH CHECK (user_id = (SELECT app_user_id()));
CREATE POLICY token ON sessions FOR SELECT TO payaid_server USING (family_hash = (SELECT nullif(current_setting('app.token_hash', true), '')));

-- A foreign key cannot tell present members from those who left. This trigger refuses the latter as owner or assignee, in the words of the foreign
-- key that it stands beside: its arguments are the column and that key's name. The lock makes it wait for a removal that is under way, and a removal
-- for it; it needs the right to change memberships, which the server has within its tenant.
CREATE FUNCTION refuse_removed_member() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  chosen uuid;
  removed timestamptz;
BEGIN
  EXECUTE format('SELECT ($1).%I', TG_ARGV[0]) INTO chosen USING NEW;
  SELECT removed_at INTO removed FROM memberships WHERE organization_id = NEW.organization_id AND user_id = chosen FOR SHARE;
  IF removed IS NOT NULL THEN
    RAISE EXCEPTION 'this member was removed' USING ERRCODE = 'foreign_key_violation', CONSTRAINT = TG_ARGV[1];
  END IF;
  RETURN NEW;
END
$$;
