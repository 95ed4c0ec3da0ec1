SET LOCAL ROLE payaid_owner;
DROP TABLE deal_stage_changes, deals, pipeline_stages, pipelines;
