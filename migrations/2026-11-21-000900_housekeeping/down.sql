DROP FUNCTION delete_expired(integer);
SET LOCAL ROLE payaid_owner;
DROP POLICY expired ON invitations;
DROP POLICY expired ON sessions;
REVOKE ALL ON sessions, invitations FROM payaid_janitor;
