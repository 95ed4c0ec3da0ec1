SET LOCAL ROLE payaid_owner;
DROP TABLE provider_quotas, suppressions, messages, sms_templates;
