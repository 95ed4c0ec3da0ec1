SET LOCAL ROLE payaid_owner;

-- Documents that clients name by an id instead of sending them. They are no tenant's: what they ask is answered to each caller by her own rights. The
-- server reads them and cannot add to them: with DOCUMENTS=trusted they are all that it runs. Only who says so by the setting sees them, so that
-- without a tenant nothing is seen.
CREATE TABLE trusted_documents (
  id text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 256),
  hash text NOT NULL CHECK (hash = encode(sha256(convert_to(text, 'UTF8')), 'hex')),
  text text NOT NULL CHECK (octet_length(text) <= 262144),
  name text,
  imported_at timestamptz NOT NULL
);
CREATE INDEX trusted_documents_by_hash ON trusted_documents (hash);
ALTER TABLE trusted_documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE trusted_documents FORCE ROW LEVEL SECURITY;
CREATE POLICY readable ON trusted_documents FOR SELECT TO payaid_server USING ((SELECT current_setting('app.documents', true)) = 'on');
CREATE POLICY imported ON trusted_documents TO payaid_owner USING (true) WITH CHECK (true);
GRANT SELECT ON trusted_documents TO payaid_server;
