SET LOCAL ROLE payaid_owner;

-- Addresses that are told of events. The secrets are encrypted: the server signs with them, and nobody who reads the table can. `acts_for` is who
-- last set where to and what is sent, `granted` what she, or the API key that she used, might do then: no more than that is ever sent.
CREATE TABLE webhook_endpoints (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  url text NOT NULL,
  description text,
  events text[] NOT NULL CHECK (cardinality(events) > 0 AND array_position(events, NULL) IS NULL),
  document text,
  secret bytea NOT NULL,
  previous_secret bytea,
  previous_until timestamptz,
  acts_for uuid NOT NULL,
  granted text[] NOT NULL,
  api_key_id uuid,
  state text NOT NULL CHECK (state IN ('ENABLED', 'DISABLED')),
  disabled_reason text,
  failing_since timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, acts_for) REFERENCES memberships (organization_id, user_id),
  FOREIGN KEY (organization_id, api_key_id) REFERENCES api_keys (organization_id, id),
  CHECK ((previous_secret IS NULL) = (previous_until IS NULL)),
  CHECK ((state = 'DISABLED') = (disabled_reason IS NOT NULL))
);
CREATE INDEX webhook_endpoints_by_created ON webhook_endpoints (organization_id, created_at, id);
CREATE INDEX webhook_endpoints_by_state ON webhook_endpoints (organization_id, state, created_at, id);
SELECT make_tenant_table('webhook_endpoints');

-- One event, to be told to one endpoint. What was told before can be told again, in the same row. When an endpoint is deleted, its deliveries may be
-- more than one statement can delete in its time: no foreign key does so, but a job, a few at a time.
CREATE TABLE webhook_deliveries (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  endpoint_id uuid NOT NULL,
  event_id uuid NOT NULL,
  action text NOT NULL,
  noun text,
  row_id uuid,
  state text NOT NULL CHECK (state IN ('PENDING', 'DELIVERED', 'SKIPPED', 'FAILED')),
  attempt_count integer NOT NULL DEFAULT 0,
  next_at timestamptz,
  delivered_at timestamptz,
  request_body text,
  response_status integer,
  error text,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, id),
  UNIQUE (organization_id, endpoint_id, event_id),
  CHECK ((noun IS NULL) = (row_id IS NULL)),
  CHECK ((state = 'PENDING') = (next_at IS NOT NULL)),
  CHECK ((state = 'DELIVERED') = (delivered_at IS NOT NULL))
);
CREATE INDEX webhook_deliveries_by_created ON webhook_deliveries (organization_id, created_at, id);
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (organization_id, endpoint_id, created_at, id);
CREATE INDEX webhook_deliveries_by_state ON webhook_deliveries (organization_id, state, created_at, id);
CREATE INDEX webhook_deliveries_by_endpoint_and_state ON webhook_deliveries (organization_id, endpoint_id, state, created_at, id);
CREATE INDEX webhook_deliveries_by_row ON webhook_deliveries (organization_id, row_id, created_at, id);
CREATE INDEX webhook_deliveries_by_age ON webhook_deliveries (created_at);
SELECT make_tenant_table('webhook_deliveries');

-- One call, with what was sent and what was answered.
CREATE TABLE webhook_attempts (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  delivery_id uuid NOT NULL,
  at timestamptz NOT NULL,
  duration_ms integer NOT NULL,
  request_headers jsonb NOT NULL,
  response_status integer,
  response_headers jsonb,
  response_body text,
  error text,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, delivery_id) REFERENCES webhook_deliveries (organization_id, id) ON DELETE CASCADE,
  CHECK ((response_status IS NULL) = (response_body IS NULL))
);
CREATE INDEX webhook_attempts_by_delivery ON webhook_attempts (organization_id, delivery_id, at, id);
SELECT make_tenant_table('webhook_attempts', 'SELECT, INSERT');

-- Has deliveries run. Those of one endpoint run one after another, so that an address that does not answer takes up one place and no more. Where nothing
-- arrives at present, those of all such endpoints of the organization share one place, and come after all others unless somebody asked for them.
CREATE FUNCTION enqueue_webhooks(organization uuid, deliveries uuid[], endpoints uuid[], asked boolean) RETURNS bigint LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  moment CONSTANT timestamptz := app_now();
  fresh uuid[];
  payloads jsonb[];
  priorities text[];
  serials text[];
BEGIN
  SELECT array_agg(fresh_id(moment) ORDER BY one.place),
    array_agg(jsonb_build_object('delivery', one.delivery, 'endpoint', one.endpoint) ORDER BY one.place),
    array_agg(CASE WHEN endpoint.failing_since IS NOT NULL AND NOT asked THEN 'LOW' ELSE 'NORMAL' END ORDER BY one.place),
    array_agg(CASE WHEN endpoint.failing_since IS NOT NULL THEN 'webhook failing' ELSE 'webhook ' || one.endpoint END ORDER BY one.place)
  INTO fresh, payloads, priorities, serials
  FROM unnest(deliveries, endpoints) WITH ORDINALITY AS one (delivery, endpoint, place)
  LEFT JOIN webhook_endpoints endpoint ON endpoint.organization_id = organization AND endpoint.id = one.endpoint;
  IF fresh IS NULL THEN
    RETURN 0;
  END IF;
  PERFORM enqueue_jobs(organization, fresh, 'webhook_deliver', 'WEBHOOK', payloads, priorities, serials, NULL, 8);
  RETURN cardinality(fresh);
END
$$;

-- Tells every endpoint that wants it of each entry, in the transaction of the entry itself: no event is told that did not happen, and none that
-- happened is left out. An organization without endpoints pays one look into an index.
CREATE FUNCTION fan_out_to_webhooks() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  moment CONSTANT timestamptz := app_now();
  deliveries uuid[];
  endpoints uuid[];
BEGIN
  PERFORM FROM webhook_endpoints WHERE organization_id = app_organization_id() AND state = 'ENABLED' LIMIT 1;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  WITH told AS (
    INSERT INTO webhook_deliveries (organization_id, id, endpoint_id, event_id, action, noun, row_id, state, next_at, created_at, updated_at)
    SELECT entry.organization_id, fresh_id(moment), endpoint.id, entry.id, entry.action, entry.noun, entry.row_id, 'PENDING', moment, moment, moment
    FROM entries entry
    JOIN webhook_endpoints endpoint ON endpoint.organization_id = entry.organization_id AND endpoint.state = 'ENABLED'
      AND entry.row_id <> endpoint.id AND endpoint.events && ARRAY['*', entry.noun || '.*', entry.action]
    -- It is not deleted before this is committed.
    FOR KEY SHARE OF endpoint
    RETURNING organization_id, id, endpoint_id)
  SELECT array_agg(id), array_agg(endpoint_id) INTO deliveries, endpoints FROM told;
  IF deliveries IS NOT NULL THEN
    PERFORM enqueue_webhooks(app_organization_id(), deliveries, endpoints, false);
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER fan_out_to_webhooks AFTER INSERT ON audit_entries REFERENCING NEW TABLE AS entries FOR EACH STATEMENT EXECUTE FUNCTION fan_out_to_webhooks();
REVOKE EXECUTE ON FUNCTION enqueue_webhooks(uuid, uuid[], uuid[], boolean), fan_out_to_webhooks() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION enqueue_webhooks(uuid, uuid[], uuid[], boolean) TO payaid_server;

-- What others have sent. They send to no tenant: whose it is stands in what they send. Each event of a provider is here once, and was here before the
-- provider was told that it has arrived. Only who says so by the setting sees it, so that without a tenant nothing is seen.
CREATE TABLE inbound_events (
  id uuid PRIMARY KEY,
  provider text NOT NULL,
  event_id text NOT NULL CHECK (length(event_id) BETWEEN 1 AND 256),
  body bytea NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  error text,
  received_at timestamptz NOT NULL,
  processed_at timestamptz,
  UNIQUE (provider, event_id)
);
CREATE INDEX inbound_events_by_age ON inbound_events (received_at);
CREATE INDEX inbound_events_left ON inbound_events (received_at) WHERE processed_at IS NULL;
ALTER TABLE inbound_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE inbound_events FORCE ROW LEVEL SECURITY;
CREATE POLICY inbound ON inbound_events TO payaid_server
  USING ((SELECT current_setting('app.inbound', true)) = 'on') WITH CHECK ((SELECT current_setting('app.inbound', true)) = 'on');
GRANT SELECT, INSERT, UPDATE ON inbound_events TO payaid_server;

-- Deliveries that are over go after thirty days with their attempts, and what others have sent after as long, for all tenants at once.
CREATE POLICY old ON webhook_deliveries TO payaid_janitor USING (state <> 'PENDING' AND created_at < now() - interval '30 days');
CREATE POLICY old ON inbound_events TO payaid_janitor USING (processed_at IS NOT NULL AND received_at < now() - interval '30 days');
GRANT SELECT (organization_id, id, state, created_at), DELETE ON webhook_deliveries TO payaid_janitor;
GRANT SELECT (id, processed_at, received_at), DELETE ON inbound_events TO payaid_janitor;
CREATE FUNCTION delete_old_webhooks(most integer) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  deleted bigint;
  total bigint := 0;
BEGIN
  DELETE FROM webhook_deliveries WHERE (organization_id, id) IN
    (SELECT organization_id, id FROM webhook_deliveries WHERE created_at < now() - interval '30 days' ORDER BY created_at LIMIT most);
  GET DIAGNOSTICS deleted = ROW_COUNT;
  total := total + deleted;
  DELETE FROM inbound_events WHERE id IN (SELECT id FROM inbound_events WHERE received_at < now() - interval '30 days' ORDER BY received_at LIMIT most);
  GET DIAGNOSTICS deleted = ROW_COUNT;
  RETURN total + deleted;
END
$$;
REVOKE ALL ON FUNCTION delete_old_webhooks(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION delete_old_webhooks(integer) TO payaid_server;
RESET ROLE;
ALTER FUNCTION delete_old_webhooks(integer) OWNER TO payaid_janitor;
