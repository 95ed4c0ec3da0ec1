SET LOCAL ROLE payaid_owner;

-- Texts that are registered with the telecom operators (DLT), with the tag of a variable in each place that is filled.
CREATE TABLE sms_templates (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  name text NOT NULL,
  dlt_template_id text NOT NULL,
  dlt_entity_id text NOT NULL,
  header text NOT NULL,
  body text NOT NULL,
  -- As [{"name": ..., "kind": ...}], in the order of the tags.
  variables jsonb NOT NULL,
  -- What providers with a list of their own call the same text; the DLT id is sent where these are missing.
  msg91_template_id text,
  fast2sms_message_id text,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (organization_id, id),
  UNIQUE (organization_id, name)
);
CREATE INDEX sms_templates_by_name ON sms_templates (organization_id, name, id);
CREATE INDEX sms_templates_by_created ON sms_templates (organization_id, created_at, id);
SELECT make_tenant_table('sms_templates');

CREATE TABLE messages (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  channel text NOT NULL CHECK (channel IN ('EMAIL', 'SMS')),
  state text NOT NULL CHECK (state IN ('QUEUED', 'SENT', 'DELIVERED', 'BOUNCED', 'FAILED')),
  to_address text NOT NULL,
  to_name text,
  contact_id uuid,
  subject text,
  body text,
  -- A mail template of the server, or an SMS template of the organization, and what is filled in.
  template text,
  sms_template_id uuid,
  variables jsonb NOT NULL DEFAULT '{}',
  -- What is filled in and nobody may read, such as the link of an invitation: encrypted by the server, and emptied once it is sent.
  sealed bytea,
  language text NOT NULL CHECK (language IN ('EN', 'HI')),
  transactional boolean NOT NULL,
  provider text,
  provider_reference text,
  attempts integer NOT NULL DEFAULT 0,
  error text,
  -- Whether it may have been sent although nobody has said so.
  uncertain boolean NOT NULL DEFAULT false,
  about_noun text,
  about_id uuid,
  job_id uuid,
  send_at timestamptz,
  sent_at timestamptz,
  delivered_at timestamptz,
  created_by uuid NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, contact_id) REFERENCES contacts (organization_id, id) ON DELETE CASCADE,
  FOREIGN KEY (organization_id, sms_template_id) REFERENCES sms_templates (organization_id, id) ON DELETE SET NULL (sms_template_id),
  FOREIGN KEY (organization_id, created_by) REFERENCES memberships (organization_id, user_id),
  CHECK (channel = 'EMAIL' OR template IS NULL),
  CHECK (channel = 'SMS' OR sms_template_id IS NULL),
  CHECK ((about_noun IS NULL) = (about_id IS NULL))
);
CREATE INDEX messages_by_created ON messages (organization_id, created_at, id);
CREATE INDEX messages_by_updated ON messages (organization_id, updated_at, id);
CREATE INDEX messages_by_contact ON messages (organization_id, contact_id, created_at, id);
CREATE INDEX messages_by_sms_template ON messages (organization_id, sms_template_id, created_at, id);
CREATE INDEX messages_by_created_by ON messages (organization_id, created_by, created_at, id);
CREATE INDEX messages_by_address ON messages (organization_id, to_address, created_at, id);
CREATE INDEX messages_by_provider_reference ON messages (provider_reference) WHERE provider_reference IS NOT NULL;
SELECT make_tenant_table('messages', 'SELECT, INSERT, UPDATE');
SELECT note_side_effects('messages', 'message');
-- A provider's report names no tenant. Whoever presents the reference that the provider gave is shown that message.
CREATE POLICY reported ON messages FOR SELECT TO payaid_server
  USING (provider_reference = (SELECT nullif(current_setting('app.provider_reference', true), '')));

-- Addresses that nothing more is sent to. Each reason is a row of its own, so that the order in which they come does not matter.
CREATE TABLE suppressions (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  channel text NOT NULL CHECK (channel IN ('EMAIL', 'SMS')),
  address text NOT NULL,
  reason text NOT NULL CHECK (reason IN ('BOUNCE', 'COMPLAINT', 'UNSUBSCRIBE')),
  detail text,
  message_id uuid,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (organization_id, id),
  UNIQUE (organization_id, channel, address, reason),
  FOREIGN KEY (organization_id, message_id) REFERENCES messages (organization_id, id) ON DELETE SET NULL (message_id)
);
CREATE INDEX suppressions_by_created ON suppressions (organization_id, created_at, id);
CREATE INDEX suppressions_by_message ON suppressions (organization_id, message_id);
SELECT make_tenant_table('suppressions');
SELECT note_side_effects('suppressions', 'suppression');

-- How much of what a provider may be sent in a span of time is used up, for all tenants together: a provider counts by the server's account. Only who
-- says so by the setting sees it, so that without a tenant nothing is seen.
CREATE TABLE provider_quotas (
  provider text NOT NULL,
  begins_at timestamptz NOT NULL,
  used integer NOT NULL CHECK (used >= 0),
  PRIMARY KEY (provider, begins_at)
);
CREATE INDEX provider_quotas_by_begin ON provider_quotas (begins_at);
ALTER TABLE provider_quotas ENABLE ROW LEVEL SECURITY;
ALTER TABLE provider_quotas FORCE ROW LEVEL SECURITY;
CREATE POLICY counting ON provider_quotas TO payaid_server
  USING ((SELECT current_setting('app.quotas', true)) = 'on') WITH CHECK ((SELECT current_setting('app.quotas', true)) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON provider_quotas TO payaid_server;
