-- The queue's own tables: made and changed by the library that works on them, in a schema of their own that belongs to payaid_worker. They hold
-- who has which job at present and when the next is due; what a job is stands in `jobs`, under row level security.
CREATE SCHEMA graphile_worker AUTHORIZATION payaid_worker;
SET LOCAL ROLE payaid_worker;
-- As the library makes it, which else would need the right to make schemas.
CREATE TABLE graphile_worker.migrations (
  id integer PRIMARY KEY,
  ts timestamptz NOT NULL DEFAULT now(),
  breaking boolean NOT NULL DEFAULT false
);
RESET ROLE;

SET LOCAL ROLE payaid_owner;

CREATE TABLE jobs (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  kind text NOT NULL,
  queue text NOT NULL CHECK (queue IN ('EMAIL', 'SMS', 'REPORT', 'AGENT', 'WEBHOOK', 'MAINTENANCE')),
  priority text NOT NULL CHECK (priority IN ('HIGH', 'NORMAL', 'LOW')),
  state text NOT NULL CHECK (state IN ('QUEUED', 'RUNNING', 'DONE', 'DEAD')),
  payload jsonb NOT NULL,
  serial text,
  attempts integer NOT NULL DEFAULT 0,
  max_attempts integer NOT NULL CHECK (max_attempts > 0),
  progress_done bigint,
  progress_total bigint,
  last_error text,
  actor_id uuid,
  request_id text NOT NULL,
  run_at timestamptz NOT NULL,
  started_at timestamptz,
  finished_at timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1,
  -- Whether another entry of the queue has taken the place of the one that came with the job. That one comes back when the worker that had it died, or
  -- when its line has come to it, and means nothing then.
  requeued boolean NOT NULL DEFAULT false,
  -- Where its last change stands among all events, as in the audit log, which has no entries of attempts and progress.
  tx bigint NOT NULL,
  seq bigint NOT NULL,
  PRIMARY KEY (organization_id, id)
);
CREATE INDEX jobs_by_position ON jobs (organization_id, tx, seq);
CREATE INDEX jobs_by_created ON jobs (organization_id, created_at, id);
CREATE INDEX jobs_by_state ON jobs (organization_id, state, created_at, id);
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
SELECT make_tenant_table('jobs', 'SELECT, INSERT, UPDATE');

CREATE FUNCTION note_position() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  NEW.tx := pg_current_xact_id()::text::bigint;
  NEW.seq := nextval('audit_entries_seq_seq');
  RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION note_position() FROM PUBLIC;
CREATE TRIGGER note_position BEFORE INSERT OR UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION note_position();

-- Jobs that are over are deleted for all tenants at once: done ones after a week, dead ones after ninety days.
CREATE POLICY over ON jobs TO payaid_janitor USING (
  (state = 'DONE' AND finished_at < now() - interval '7 days') OR (state = 'DEAD' AND finished_at < now() - interval '90 days'));
GRANT SELECT (organization_id, id, state, finished_at), DELETE ON jobs TO payaid_janitor;

-- Writes jobs of the transaction's tenant and has them run when the transaction is committed: one call for the server and for triggers, all by one
-- statement, since one action may write many. They are alike but for what stands in the arrays.
CREATE FUNCTION enqueue_jobs(
  organization uuid, fresh uuid[], kind text, queue text, payloads jsonb[], priorities text[], serials text[], run_at timestamptz, max_attempts integer
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  -- Asked for once, and not for each row.
  moment CONSTANT timestamptz := app_now();
  actor CONSTANT uuid := app_user_id();
  request CONSTANT text := app_request_id();
BEGIN
  INSERT INTO jobs (organization_id, id, kind, queue, priority, state, payload, serial, max_attempts, actor_id, request_id, run_at, created_at, updated_at)
  SELECT organization, one.job, kind, queue, one.priority, 'QUEUED', one.payload, one.serial, max_attempts, actor, request,
    coalesce(run_at, moment), moment, moment
  FROM unnest(fresh, payloads, priorities, serials) WITH ORDINALITY AS one (job, payload, priority, serial, place) ORDER BY one.place;
  PERFORM wake_workers(organization, fresh, queue, priorities, serials, run_at);
END
$$;
REVOKE EXECUTE ON FUNCTION enqueue_jobs(uuid, uuid[], text, text, jsonb[], text[], text[], timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION enqueue_jobs(uuid, uuid[], text, text, jsonb[], text[], text[], timestamptz, integer) TO payaid_server;
RESET ROLE;

SET LOCAL ROLE payaid_worker;
-- Says when jobs are to be run that were written just now, on behalf of their tenant alone.
CREATE FUNCTION wake_workers(organization uuid, fresh uuid[], queue text, priorities text[], serials text[], run_at timestamptz) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF organization IS DISTINCT FROM app_organization_id() THEN
    RAISE EXCEPTION 'jobs of another organization';
  END IF;
  PERFORM graphile_worker.add_jobs(ARRAY(
    SELECT (lower(queue), json_build_object('organization', organization, 'job', one.job, 'fresh', true), organization || ' ' || one.serial, run_at, 32767, NULL,
      CASE one.priority WHEN 'HIGH' THEN -10 WHEN 'LOW' THEN 10 ELSE 0 END, NULL)::graphile_worker.job_spec
    FROM unnest(fresh, priorities, serials) WITH ORDINALITY AS one (job, priority, serial, place) ORDER BY place));
END
$$;
REVOKE ALL ON FUNCTION wake_workers(uuid, uuid[], text, text[], text[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION wake_workers(uuid, uuid[], text, text[], text[], timestamptz) TO payaid_server, payaid_owner;

-- The same for one that was written before. `job_key` makes it one entry for each job, however often this is said; one that is being run is let go of,
-- and goes with its run. Each key is a lock until the transaction ends, of which the database has a few thousand, so that new jobs go without.
CREATE FUNCTION wake_worker(organization uuid, job uuid, queue text, priority text, run_at timestamptz, serial text) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF organization IS DISTINCT FROM app_organization_id() THEN
    RAISE EXCEPTION 'a job of another organization';
  END IF;
  PERFORM graphile_worker.add_job(identifier => lower(queue), payload => json_build_object('organization', organization, 'job', job),
    queue_name => organization || ' ' || serial, run_at => run_at, max_attempts => 32767, job_key => job::text,
    priority => CASE priority WHEN 'HIGH' THEN -10 WHEN 'LOW' THEN 10 ELSE 0 END);
END
$$;
REVOKE ALL ON FUNCTION wake_worker(uuid, uuid, text, text, timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION wake_worker(uuid, uuid, text, text, timestamptz, text) TO payaid_server, payaid_owner;

-- As much for work that belongs to no tenant, such as reading what somebody has sent: its payload goes along. `word` tells it apart from others.
CREATE FUNCTION enqueue_errand(kind text, payload jsonb, word text, most_attempts integer) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM graphile_worker.add_job(identifier => 'errand', payload => json_build_object('kind', kind, 'payload', payload),
    max_attempts => most_attempts, job_key => kind || ' ' || word);
END
$$;
REVOKE ALL ON FUNCTION enqueue_errand(text, jsonb, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION enqueue_errand(text, jsonb, text, integer) TO payaid_server;

-- Deletes entries that nobody takes any more: errands that were given up ninety days ago, and entries of jobs in whose place another one came.
CREATE FUNCTION delete_spent_entries(most integer) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  deleted bigint;
BEGIN
  DELETE FROM graphile_worker._private_jobs WHERE id IN (
    SELECT id FROM graphile_worker._private_jobs WHERE attempts >= max_attempts AND updated_at < now() - interval '90 days' LIMIT most);
  GET DIAGNOSTICS deleted = ROW_COUNT;
  RETURN deleted;
END
$$;
REVOKE ALL ON FUNCTION delete_spent_entries(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION delete_spent_entries(integer) TO payaid_server;
RESET ROLE;

SET LOCAL ROLE payaid_janitor;
CREATE FUNCTION delete_finished_jobs(most integer) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  deleted bigint;
BEGIN
  DELETE FROM jobs WHERE (organization_id, id) IN
    (SELECT organization_id, id FROM jobs WHERE finished_at < now() - interval '7 days' ORDER BY finished_at LIMIT most);
  GET DIAGNOSTICS deleted = ROW_COUNT;
  RETURN deleted;
END
$$;
REVOKE ALL ON FUNCTION delete_finished_jobs(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION delete_finished_jobs(integer) TO payaid_server;
RESET ROLE;
