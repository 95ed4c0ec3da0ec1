DROP FUNCTION contact_search(uuid, text, integer);
SET LOCAL ROLE payaid_owner;
DROP TABLE contacts;
