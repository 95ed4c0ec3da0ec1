-- Events stand where their transactions' numbers say, and those begin anew in another cluster. What was restored there row by row bears numbers that are
-- yet to come, and would hold back all that follows. `payaid doctor` asks whether there is any, of all tenants at once; the janitor sees nothing else of it.
SET LOCAL ROLE payaid_owner;
CREATE POLICY ahead ON audit_entries FOR SELECT TO payaid_janitor USING (tx >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint);
CREATE POLICY ahead ON jobs FOR SELECT TO payaid_janitor USING (tx >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint);
GRANT SELECT (tx) ON audit_entries, jobs TO payaid_janitor;
RESET ROLE;

SET LOCAL ROLE payaid_janitor;
CREATE FUNCTION events_ahead() RETURNS boolean
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  next CONSTANT bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
BEGIN
  RETURN EXISTS (SELECT FROM audit_entries WHERE tx >= next) OR EXISTS (SELECT FROM jobs WHERE tx >= next);
END
$$;
REVOKE ALL ON FUNCTION events_ahead() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION events_ahead() TO payaid_server;
RESET ROLE;
