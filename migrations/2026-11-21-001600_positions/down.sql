DROP FUNCTION events_ahead();
REVOKE SELECT (tx) ON audit_entries, jobs FROM payaid_janitor;
DROP POLICY ahead ON jobs;
DROP POLICY ahead ON audit_entries;
