SET LOCAL ROLE payaid_owner;

CREATE TABLE contacts (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  name text NOT NULL,
  email text,
  phone text,
  company_id uuid,
  city text,
  state_code text,
  stage text NOT NULL CHECK (stage IN ('LEAD', 'PROSPECT', 'CUSTOMER', 'FORMER')),
  status text NOT NULL CHECK (status IN ('ACTIVE', 'INACTIVE', 'BLOCKED')),
  source text NOT NULL CHECK (source IN ('WEBSITE', 'REFERRAL', 'WHATSAPP', 'PHONE', 'EVENT', 'ADVERTISEMENT', 'IMPORT', 'OTHER')),
  tags text[] NOT NULL DEFAULT '{}' CHECK (array_position(tags, NULL) IS NULL),
  owner_id uuid,
  notes text,
  search tsvector NOT NULL GENERATED ALWAYS AS (
    to_tsvector('simple'::regconfig,
      name || ' ' || translate(coalesce(email, ''), '@._-+', '     ') || ' ' || ltrim(coalesce(phone, ''), '+') || ' ' || right(coalesce(phone, ''), 10) || ' '
      || coalesce(city, '') || ' ' || coalesce(notes, ''))
  ) STORED,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, company_id) REFERENCES companies (organization_id, id) ON DELETE SET NULL (company_id),
  FOREIGN KEY (organization_id, owner_id) REFERENCES memberships (organization_id, user_id)
);
CREATE UNIQUE INDEX contacts_email ON contacts (organization_id, email) WHERE email IS NOT NULL;
CREATE INDEX contacts_by_created ON contacts (organization_id, created_at, id);
CREATE INDEX contacts_by_updated ON contacts (organization_id, updated_at, id);
CREATE INDEX contacts_by_name ON contacts (organization_id, name, id);
CREATE INDEX contacts_by_company ON contacts (organization_id, company_id, created_at, id);
CREATE INDEX contacts_by_owner ON contacts (organization_id, owner_id, created_at, id);
CREATE INDEX contacts_by_stage ON contacts (organization_id, stage, created_at, id);
-- Fresh rows wait in a pending list that every search reads whole: kept short, searches stay fast between vacuums, and the planner sees it.
CREATE INDEX contacts_search ON contacts USING gin (organization_id, search) WITH (gin_pending_list_limit = 64);
SELECT make_tenant_table('contacts');
SELECT note_side_effects('contacts', 'contact');
CREATE TRIGGER present_member BEFORE INSERT OR UPDATE OF owner_id ON contacts FOR EACH ROW WHEN (NEW.owner_id IS NOT NULL)
  EXECUTE FUNCTION refuse_removed_member('owner_id', 'contacts_organization_id_owner_id_fkey');

-- Under row level security `search @@ query` cannot use its index, because the operator is not leakproof. This function searches on behalf of the
-- tenant of the transaction alone, as a role that may only read contacts; the rows it names are then read under row level security.
CREATE POLICY search ON contacts FOR SELECT TO payaid_search USING (true);
GRANT SELECT (organization_id, id, search, created_at) ON contacts TO payaid_search;
CREATE FUNCTION contact_search(organization uuid, query text, most integer) RETURNS SETOF uuid
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
  ROWS 100 AS $$
BEGIN
  RETURN QUERY
    SELECT c.id FROM contacts c
    WHERE c.organization_id = organization AND organization = app_organization_id() AND c.search @@ to_tsquery('simple', query)
    ORDER BY c.created_at DESC, c.id DESC LIMIT most;
END
$$;
REVOKE ALL ON FUNCTION contact_search(uuid, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION contact_search(uuid, text, integer) TO payaid_server;
RESET ROLE;
ALTER FUNCTION contact_search(uuid, text, integer) OWNER TO payaid_search;
