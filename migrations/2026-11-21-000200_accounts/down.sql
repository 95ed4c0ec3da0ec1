SET LOCAL ROLE payaid_owner;
DROP TABLE sessions, invitations CASCADE;
DROP POLICY tenant ON organizations;
DROP POLICY visible ON users;
DROP TABLE memberships, users, organizations;
