-- The roles stay: they belong to the cluster, and other databases of it may use them.
SET LOCAL ROLE payaid_owner;
DROP FUNCTION make_tenant_table(regclass, text);
DROP FUNCTION app_user_id();
DROP FUNCTION app_organization_id();
RESET ROLE;
DROP EXTENSION btree_gin;
REVOKE ALL ON SCHEMA public FROM payaid_owner, payaid_search, payaid_janitor, payaid_worker, payaid_server;
