SET LOCAL ROLE payaid_owner;
DROP FUNCTION refuse_removed_member();
DROP TABLE sessions, invitations CASCADE;
DROP POLICY tenant ON organizations;
DROP POLICY visible ON users;
DROP TABLE memberships, users, organizations;
