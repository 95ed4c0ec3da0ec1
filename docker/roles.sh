# Runs once, when the data of the database is made: gives the server and the worker their logins. What those may do, the migrations say.
psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 -v server="$PAYAID_SERVER_PASSWORD" -v worker="$PAYAID_WORKER_PASSWORD" --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE payaid_server LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'server';
CREATE ROLE payaid_worker LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'worker';
SQL
