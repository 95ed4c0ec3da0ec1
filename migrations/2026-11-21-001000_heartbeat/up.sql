SET LOCAL ROLE payaid_owner;

-- One row that servers with replicas write again and again: a replica that has replayed it follows the timeline that stands in it, and how old it is
-- tells how far the replica is behind. Only who says so by the setting sees it, so that without a tenant nothing is seen.
CREATE TABLE heartbeats (
  id boolean PRIMARY KEY DEFAULT true CHECK (id),
  system_identifier bigint NOT NULL,
  timeline bigint NOT NULL,
  at timestamptz NOT NULL
) WITH (fillfactor = 10);
ALTER TABLE heartbeats ENABLE ROW LEVEL SECURITY;
ALTER TABLE heartbeats FORCE ROW LEVEL SECURITY;
CREATE POLICY beating ON heartbeats TO payaid_server
  USING ((SELECT current_setting('app.heartbeat', true)) = 'on') WITH CHECK ((SELECT current_setting('app.heartbeat', true)) = 'on');
GRANT SELECT, INSERT, UPDATE ON heartbeats TO payaid_server;
