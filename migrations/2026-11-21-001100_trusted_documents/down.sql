SET LOCAL ROLE payaid_owner;
DROP TABLE trusted_documents;
