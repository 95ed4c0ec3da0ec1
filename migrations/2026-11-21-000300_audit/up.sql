SET LOCAL ROLE payaid_owner;

-- Append-only for the server: it may insert and read, and has no right to change or delete an entry.
CREATE TABLE audit_entries (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  at timestamptz NOT NULL,
  actor_id uuid,
  action text NOT NULL,
  noun text NOT NULL,
  row_id uuid NOT NULL,
  before jsonb,
  after jsonb,
  request_id text NOT NULL,
  PRIMARY KEY (organization_id, id)
);
CREATE INDEX audit_entries_by_at ON audit_entries (organization_id, at, id);
CREATE INDEX audit_entries_by_row ON audit_entries (organization_id, row_id, at, id);
CREATE INDEX audit_entries_by_actor ON audit_entries (organization_id, actor_id, at, id);
SELECT make_tenant_table('audit_entries', 'SELECT, INSERT');
