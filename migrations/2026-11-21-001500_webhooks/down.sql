DROP FUNCTION delete_old_webhooks(integer);
DROP TABLE inbound_events;
DROP TRIGGER fan_out_to_webhooks ON audit_entries;
DROP FUNCTION fan_out_to_webhooks();
DROP FUNCTION enqueue_webhooks(uuid, uuid[], uuid[], boolean);
DROP TABLE webhook_attempts;
DROP TABLE webhook_deliveries;
DROP TABLE webhook_endpoints;
