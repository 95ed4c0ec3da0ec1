SET LOCAL ROLE payaid_owner;

CREATE TABLE companies (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  name text NOT NULL,
  gstin text,
  state_code text,
  industry text,
  email text,
  phone text,
  website text,
  addresses jsonb NOT NULL DEFAULT '[]',
  notes text,
  owner_id uuid,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, owner_id) REFERENCES memberships (organization_id, user_id)
);
CREATE UNIQUE INDEX companies_gstin ON companies (organization_id, gstin) WHERE gstin IS NOT NULL;
CREATE INDEX companies_by_created ON companies (organization_id, created_at, id);
CREATE INDEX companies_by_updated ON companies (organization_id, updated_at, id);
CREATE INDEX companies_by_name ON companies (organization_id, name, id);
CREATE INDEX companies_by_owner ON companies (organization_id, owner_id, created_at, id);
SELECT make_tenant_table('companies');
CREATE TRIGGER present_member BEFORE INSERT OR UPDATE OF owner_id ON companies FOR EACH ROW WHEN (NEW.owner_id IS NOT NULL)
  EXECUTE FUNCTION refuse_removed_member('owner_id', 'companies_organization_id_owner_id_fkey');
