SET LOCAL ROLE payaid_owner;

CREATE TABLE pipelines (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  name text NOT NULL,
  is_default boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (organization_id, id),
  UNIQUE (organization_id, name)
);
CREATE UNIQUE INDEX pipelines_default ON pipelines (organization_id) WHERE is_default;
CREATE INDEX pipelines_by_created ON pipelines (organization_id, created_at, id);
SELECT make_tenant_table('pipelines');

CREATE TABLE pipeline_stages (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  pipeline_id uuid NOT NULL,
  name text NOT NULL,
  position integer NOT NULL CHECK (position >= 0),
  kind text NOT NULL CHECK (kind IN ('OPEN', 'WON', 'LOST')),
  probability integer NOT NULL CHECK (probability BETWEEN 0 AND 100),
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, pipeline_id) REFERENCES pipelines (organization_id, id) ON DELETE CASCADE,
  UNIQUE (organization_id, pipeline_id, id),
  UNIQUE (organization_id, pipeline_id, name),
  UNIQUE (organization_id, pipeline_id, position) DEFERRABLE INITIALLY DEFERRED
);
SELECT make_tenant_table('pipeline_stages');

CREATE TABLE deals (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  title text NOT NULL,
  pipeline_id uuid NOT NULL,
  stage_id uuid NOT NULL,
  status text NOT NULL CHECK (status IN ('OPEN', 'WON', 'LOST')),
  contact_id uuid,
  company_id uuid,
  owner_id uuid,
  value_minor bigint NOT NULL CHECK (value_minor >= 0),
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  probability integer NOT NULL CHECK (probability BETWEEN 0 AND 100),
  expected_close date,
  closed_at timestamptz,
  closed_reason text,
  notes text,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (organization_id, id),
  -- The stage must be one of this pipeline.
  FOREIGN KEY (organization_id, pipeline_id, stage_id) REFERENCES pipeline_stages (organization_id, pipeline_id, id),
  FOREIGN KEY (organization_id, contact_id) REFERENCES contacts (organization_id, id) ON DELETE SET NULL (contact_id),
  FOREIGN KEY (organization_id, company_id) REFERENCES companies (organization_id, id) ON DELETE SET NULL (company_id),
  FOREIGN KEY (organization_id, owner_id) REFERENCES memberships (organization_id, user_id),
  CHECK ((status = 'OPEN') = (closed_at IS NULL))
);
CREATE INDEX deals_by_created ON deals (organization_id, created_at, id);
CREATE INDEX deals_by_updated ON deals (organization_id, updated_at, id);
CREATE INDEX deals_by_value ON deals (organization_id, value_minor, id);
CREATE INDEX deals_by_contact ON deals (organization_id, contact_id, created_at, id);
CREATE INDEX deals_by_company ON deals (organization_id, company_id, created_at, id);
-- A stage may hold a large part of all deals, so its own are found in every order.
CREATE INDEX deals_by_stage ON deals (organization_id, stage_id, created_at, id);
CREATE INDEX deals_by_stage_and_updated ON deals (organization_id, stage_id, updated_at, id);
CREATE INDEX deals_by_stage_and_value ON deals (organization_id, stage_id, value_minor, id);
CREATE INDEX deals_by_owner ON deals (organization_id, owner_id, created_at, id);
CREATE INDEX deals_by_status ON deals (organization_id, status, created_at, id);
-- Won deals by the day they were closed, with what the dashboard sums.
CREATE INDEX deals_won ON deals (organization_id, closed_at) INCLUDE (value_minor, currency) WHERE status = 'WON';
-- Open deals by stage, likewise.
CREATE INDEX deals_open ON deals (organization_id, stage_id) INCLUDE (value_minor, currency, probability) WHERE status = 'OPEN';
SELECT make_tenant_table('deals');
SELECT note_side_effects('deals', 'deal');
CREATE TRIGGER present_member BEFORE INSERT OR UPDATE OF owner_id ON deals FOR EACH ROW WHEN (NEW.owner_id IS NOT NULL)
  EXECUTE FUNCTION refuse_removed_member('owner_id', 'deals_organization_id_owner_id_fkey');

CREATE TABLE deal_stage_changes (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  deal_id uuid NOT NULL,
  from_stage_id uuid,
  to_stage_id uuid NOT NULL,
  actor_id uuid,
  at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, deal_id) REFERENCES deals (organization_id, id) ON DELETE CASCADE,
  FOREIGN KEY (organization_id, from_stage_id) REFERENCES pipeline_stages (organization_id, id),
  FOREIGN KEY (organization_id, to_stage_id) REFERENCES pipeline_stages (organization_id, id)
);
CREATE INDEX deal_stage_changes_by_deal ON deal_stage_changes (organization_id, deal_id, at, id);
CREATE INDEX deal_stage_changes_by_from ON deal_stage_changes (organization_id, from_stage_id);
CREATE INDEX deal_stage_changes_by_to ON deal_stage_changes (organization_id, to_stage_id);
SELECT make_tenant_table('deal_stage_changes', 'SELECT, INSERT, DELETE');
