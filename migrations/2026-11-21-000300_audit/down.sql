SET LOCAL ROLE payaid_owner;
DROP TABLE audit_entries;
