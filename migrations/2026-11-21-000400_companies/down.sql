SET LOCAL ROLE payaid_owner;
DROP TABLE companies;
