SET LOCAL ROLE payaid_owner;
DROP FUNCTION note_side_effects(regclass, text);
DROP FUNCTION note_side_effect();
DROP FUNCTION count_side_effect();
DROP FUNCTION fresh_id(timestamptz);
DROP FUNCTION app_api_key_id();
DROP FUNCTION app_request_id();
DROP FUNCTION app_now();
DROP TABLE audit_entries;
