SET LOCAL ROLE payaid_owner;

-- Sessions and invitations that expired long ago are deleted for all tenants at once. The role that does it sees nothing but those rows.
CREATE POLICY expired ON sessions TO payaid_janitor USING (expires_at < now() - interval '7 days');
CREATE POLICY expired ON invitations TO payaid_janitor USING (expires_at < now() - interval '7 days');
GRANT SELECT (organization_id, id, expires_at), DELETE ON sessions TO payaid_janitor;
GRANT SELECT (organization_id, id, expires_at), DELETE ON invitations TO payaid_janitor;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX invitations_by_expiry ON invitations (expires_at);

CREATE FUNCTION delete_expired(most integer) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  deleted bigint;
  total bigint := 0;
BEGIN
  DELETE FROM sessions WHERE (organization_id, id) IN
    (SELECT organization_id, id FROM sessions WHERE expires_at < now() - interval '7 days' ORDER BY expires_at LIMIT most);
  GET DIAGNOSTICS deleted = ROW_COUNT;
  total := total + deleted;
  DELETE FROM invitations WHERE (organization_id, id) IN
    (SELECT organization_id, id FROM invitations WHERE expires_at < now() - interval '7 days' ORDER BY expires_at LIMIT most);
  GET DIAGNOSTICS deleted = ROW_COUNT;
  RETURN total + deleted;
END
$$;
REVOKE ALL ON FUNCTION delete_expired(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION delete_expired(integer) TO payaid_server;
RESET ROLE;
ALTER FUNCTION delete_expired(integer) OWNER TO payaid_janitor;
