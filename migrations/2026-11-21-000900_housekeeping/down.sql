DROP FUNCTION delete_expired(integer);
SET LOCAL ROLE payaid_owner;
DROP INDEX sessions_by_expiry, invitations_by_expiry;
DROP POLICY expired ON invitations;
DROP POLICY expired ON sessions;
REVOKE ALL ON sessions, invitations FROM payaid_janitor;
