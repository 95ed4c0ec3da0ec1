DROP FUNCTION delete_finished_jobs(integer);
DROP FUNCTION delete_spent_entries(integer);
DROP FUNCTION enqueue_errand(text, jsonb, text, integer);
DROP FUNCTION enqueue_job(uuid, uuid, text, text, jsonb, text, timestamptz, integer, text);
DROP FUNCTION wake_worker(uuid, uuid, text, text, timestamptz, text, boolean);
DROP TABLE jobs;
DROP FUNCTION note_position();
DROP SCHEMA graphile_worker CASCADE;
