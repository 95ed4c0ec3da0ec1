SET LOCAL ROLE payaid_owner;
DROP TABLE api_keys;
