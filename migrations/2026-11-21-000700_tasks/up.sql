SET LOCAL ROLE payaid_owner;

CREATE TABLE tasks (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid NOT NULL,
  title text NOT NULL,
  description text,
  status text NOT NULL CHECK (status IN ('OPEN', 'IN_PROGRESS', 'DONE', 'CANCELLED')),
  priority text NOT NULL CHECK (priority IN ('LOW', 'NORMAL', 'HIGH', 'URGENT')),
  assignee_id uuid,
  contact_id uuid,
  deal_id uuid,
  due_at timestamptz,
  -- What the ordering by due date goes by: tasks without one come after all others.
  due_key timestamptz NOT NULL GENERATED ALWAYS AS (coalesce(due_at, '9999-12-31 00:00:00+00'::timestamptz)) STORED,
  completed_at timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, assignee_id) REFERENCES memberships (organization_id, user_id),
  FOREIGN KEY (organization_id, contact_id) REFERENCES contacts (organization_id, id) ON DELETE SET NULL (contact_id),
  FOREIGN KEY (organization_id, deal_id) REFERENCES deals (organization_id, id) ON DELETE SET NULL (deal_id),
  CHECK ((status = 'DONE') = (completed_at IS NOT NULL))
);
CREATE INDEX tasks_by_created ON tasks (organization_id, created_at, id);
CREATE INDEX tasks_by_updated ON tasks (organization_id, updated_at, id);
CREATE INDEX tasks_by_due ON tasks (organization_id, due_key, id);
CREATE INDEX tasks_by_contact ON tasks (organization_id, contact_id, created_at, id);
CREATE INDEX tasks_by_deal ON tasks (organization_id, deal_id, created_at, id);
CREATE INDEX tasks_by_assignee ON tasks (organization_id, assignee_id, due_key, id);
CREATE INDEX tasks_open ON tasks (organization_id, due_key, id) WHERE status IN ('OPEN', 'IN_PROGRESS');
SELECT make_tenant_table('tasks');
SELECT note_side_effects('tasks', 'task');
CREATE TRIGGER present_member BEFORE INSERT OR UPDATE OF assignee_id ON tasks FOR EACH ROW WHEN (NEW.assignee_id IS NOT NULL)
  EXECUTE FUNCTION refuse_removed_member('assignee_id', 'tasks_organization_id_assignee_id_fkey');
