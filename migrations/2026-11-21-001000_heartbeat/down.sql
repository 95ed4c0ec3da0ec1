SET LOCAL ROLE payaid_owner;
DROP TABLE heartbeats;
