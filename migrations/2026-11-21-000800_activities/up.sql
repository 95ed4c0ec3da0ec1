SET LOCAL ROLE payaid_owner;

CREATE TABLE activities (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('CALL', 'EMAIL', 'MEETING', 'NOTE', 'SMS')),
  subject text NOT NULL,
  body text,
  occurred_at timestamptz NOT NULL,
  duration_minutes integer CHECK (duration_minutes BETWEEN 0 AND 1440),
  contact_id uuid,
  deal_id uuid,
  author_id uuid,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, author_id) REFERENCES memberships (organization_id, user_id),
  FOREIGN KEY (organization_id, contact_id) REFERENCES contacts (organization_id, id) ON DELETE CASCADE,
  FOREIGN KEY (organization_id, deal_id) REFERENCES deals (organization_id, id) ON DELETE CASCADE,
  CHECK (contact_id IS NOT NULL OR deal_id IS NOT NULL)
);
CREATE INDEX activities_by_occurred ON activities (organization_id, occurred_at, id);
CREATE INDEX activities_by_created ON activities (organization_id, created_at, id);
CREATE INDEX activities_by_contact ON activities (organization_id, contact_id, occurred_at, id);
CREATE INDEX activities_by_deal ON activities (organization_id, deal_id, occurred_at, id);
CREATE INDEX activities_by_author ON activities (organization_id, author_id, occurred_at, id);
SELECT make_tenant_table('activities');
SELECT note_side_effects('activities', 'activity');
