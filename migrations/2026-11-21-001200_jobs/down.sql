DROP FUNCTION delete_finished_jobs(integer);
DROP FUNCTION delete_spent_entries(integer);
DROP FUNCTION enqueue_errand(text, jsonb, text, integer);
DROP FUNCTION enqueue_jobs(uuid, uuid[], text, text, jsonb[], text[], text[], timestamptz, integer);
DROP FUNCTION wake_workers(uuid, uuid[], text, text[], text[], timestamptz);
DROP FUNCTION wake_worker(uuid, uuid, text, text, timestamptz, text);
DROP TABLE jobs;
DROP FUNCTION note_position();
DROP SCHEMA graphile_worker CASCADE;
