# Runs once, when the data of the database is made: gives the server its login. What that login may do, the migrations say.
psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 -v password="$PAYAID_SERVER_PASSWORD" --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE payaid_server LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'password';
SQL
