// @generated automatically by Diesel CLI.

pub mod sql_types {
    #[derive(diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "tsvector", schema = "pg_catalog"))]
    pub struct Tsvector;
}

diesel::table! {
    activities (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        kind -> Text,
        subject -> Text,
        body -> Nullable<Text>,
        occurred_at -> Timestamptz,
        duration_minutes -> Nullable<Int4>,
        contact_id -> Nullable<Uuid>,
        deal_id -> Nullable<Uuid>,
        author_id -> Nullable<Uuid>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Int4,
    }
}

diesel::table! {
    api_keys (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        name -> Text,
        secret_hash -> Text,
        scopes -> Array<Nullable<Text>>,
        allowed_ips -> Array<Nullable<Text>>,
        created_by -> Uuid,
        expires_at -> Nullable<Timestamptz>,
        last_used_at -> Nullable<Timestamptz>,
        revoked_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Int4,
    }
}

diesel::table! {
    audit_entries (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        at -> Timestamptz,
        actor_id -> Nullable<Uuid>,
        api_key_id -> Nullable<Uuid>,
        action -> Text,
        noun -> Text,
        row_id -> Uuid,
        before -> Nullable<Jsonb>,
        after -> Nullable<Jsonb>,
        request_id -> Text,
        tx -> Int8,
        seq -> Int8,
    }
}

diesel::table! {
    companies (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        name -> Text,
        gstin -> Nullable<Text>,
        state_code -> Nullable<Text>,
        industry -> Nullable<Text>,
        email -> Nullable<Text>,
        phone -> Nullable<Text>,
        website -> Nullable<Text>,
        addresses -> Jsonb,
        notes -> Nullable<Text>,
        owner_id -> Nullable<Uuid>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Int4,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::Tsvector;

    contacts (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        name -> Text,
        email -> Nullable<Text>,
        phone -> Nullable<Text>,
        company_id -> Nullable<Uuid>,
        city -> Nullable<Text>,
        state_code -> Nullable<Text>,
        stage -> Text,
        status -> Text,
        source -> Text,
        tags -> Array<Nullable<Text>>,
        owner_id -> Nullable<Uuid>,
        notes -> Nullable<Text>,
        search -> Tsvector,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Int4,
    }
}

diesel::table! {
    deal_stage_changes (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        deal_id -> Uuid,
        from_stage_id -> Nullable<Uuid>,
        to_stage_id -> Uuid,
        actor_id -> Nullable<Uuid>,
        at -> Timestamptz,
    }
}

diesel::table! {
    deals (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        title -> Text,
        pipeline_id -> Uuid,
        stage_id -> Uuid,
        status -> Text,
        contact_id -> Nullable<Uuid>,
        company_id -> Nullable<Uuid>,
        owner_id -> Nullable<Uuid>,
        value_minor -> Int8,
        currency -> Text,
        probability -> Int4,
        expected_close -> Nullable<Date>,
        closed_at -> Nullable<Timestamptz>,
        closed_reason -> Nullable<Text>,
        notes -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Int4,
    }
}

diesel::table! {
    heartbeats (id) {
        id -> Bool,
        system_identifier -> Int8,
        timeline -> Int8,
        at -> Timestamptz,
    }
}

diesel::table! {
    inbound_events (id) {
        id -> Uuid,
        provider -> Text,
        event_id -> Text,
        body -> Bytea,
        attempts -> Int4,
        error -> Nullable<Text>,
        received_at -> Timestamptz,
        processed_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    invitations (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        email -> Text,
        role -> Text,
        token_hash -> Text,
        invited_by -> Uuid,
        expires_at -> Timestamptz,
        accepted_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Int4,
    }
}

diesel::table! {
    jobs (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        kind -> Text,
        queue -> Text,
        priority -> Text,
        state -> Text,
        payload -> Jsonb,
        serial -> Nullable<Text>,
        attempts -> Int4,
        max_attempts -> Int4,
        progress_done -> Nullable<Int8>,
        progress_total -> Nullable<Int8>,
        last_error -> Nullable<Text>,
        actor_id -> Nullable<Uuid>,
        request_id -> Text,
        run_at -> Timestamptz,
        started_at -> Nullable<Timestamptz>,
        finished_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Int4,
        requeued -> Bool,
        tx -> Int8,
        seq -> Int8,
    }
}

diesel::table! {
    memberships (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        user_id -> Uuid,
        role -> Text,
        removed_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Int4,
    }
}

diesel::table! {
    messages (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        channel -> Text,
        state -> Text,
        to_address -> Text,
        to_name -> Nullable<Text>,
        contact_id -> Nullable<Uuid>,
        subject -> Nullable<Text>,
        body -> Nullable<Text>,
        template -> Nullable<Text>,
        sms_template_id -> Nullable<Uuid>,
        variables -> Jsonb,
        sealed -> Nullable<Bytea>,
        language -> Text,
        transactional -> Bool,
        provider -> Nullable<Text>,
        provider_reference -> Nullable<Text>,
        attempts -> Int4,
        error -> Nullable<Text>,
        uncertain -> Bool,
        about_noun -> Nullable<Text>,
        about_id -> Nullable<Uuid>,
        job_id -> Nullable<Uuid>,
        send_at -> Nullable<Timestamptz>,
        sent_at -> Nullable<Timestamptz>,
        delivered_at -> Nullable<Timestamptz>,
        created_by -> Uuid,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Int4,
    }
}

diesel::table! {
    organizations (id) {
        id -> Uuid,
        name -> Text,
        gstin -> Nullable<Text>,
        state_code -> Text,
        time_zone -> Text,
        locale -> Text,
        plan -> Text,
        plan_as_of -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Int4,
    }
}

diesel::table! {
    pipeline_stages (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        pipeline_id -> Uuid,
        name -> Text,
        position -> Int4,
        kind -> Text,
        probability -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Int4,
    }
}

diesel::table! {
    pipelines (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        name -> Text,
        is_default -> Bool,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Int4,
    }
}

diesel::table! {
    provider_quotas (provider, begins_at) {
        provider -> Text,
        begins_at -> Timestamptz,
        used -> Int4,
    }
}

diesel::table! {
    sessions (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        user_id -> Uuid,
        family_hash -> Text,
        refresh_hash -> Text,
        previous_hash -> Nullable<Text>,
        rotated_at -> Timestamptz,
        expires_at -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Int4,
    }
}

diesel::table! {
    sms_templates (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        name -> Text,
        dlt_template_id -> Text,
        dlt_entity_id -> Text,
        header -> Text,
        body -> Text,
        variables -> Jsonb,
        msg91_template_id -> Nullable<Text>,
        fast2sms_message_id -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Int4,
    }
}

diesel::table! {
    suppressions (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        channel -> Text,
        address -> Text,
        reason -> Text,
        detail -> Nullable<Text>,
        message_id -> Nullable<Uuid>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Int4,
    }
}

diesel::table! {
    tasks (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        title -> Text,
        description -> Nullable<Text>,
        status -> Text,
        priority -> Text,
        assignee_id -> Nullable<Uuid>,
        contact_id -> Nullable<Uuid>,
        deal_id -> Nullable<Uuid>,
        due_at -> Nullable<Timestamptz>,
        due_key -> Timestamptz,
        completed_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Int4,
    }
}

diesel::table! {
    trusted_documents (id) {
        id -> Text,
        hash -> Text,
        text -> Text,
        name -> Nullable<Text>,
        imported_at -> Timestamptz,
    }
}

diesel::table! {
    users (id) {
        id -> Uuid,
        email -> Text,
        name -> Text,
        password_hash -> Text,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Int4,
    }
}

diesel::table! {
    webhook_attempts (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        delivery_id -> Uuid,
        at -> Timestamptz,
        duration_ms -> Int4,
        request_headers -> Jsonb,
        response_status -> Nullable<Int4>,
        response_headers -> Nullable<Jsonb>,
        response_body -> Nullable<Text>,
        error -> Nullable<Text>,
    }
}

diesel::table! {
    webhook_deliveries (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        endpoint_id -> Uuid,
        event_id -> Uuid,
        action -> Text,
        noun -> Nullable<Text>,
        row_id -> Nullable<Uuid>,
        state -> Text,
        attempt_count -> Int4,
        next_at -> Nullable<Timestamptz>,
        delivered_at -> Nullable<Timestamptz>,
        request_body -> Nullable<Text>,
        response_status -> Nullable<Int4>,
        error -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    webhook_endpoints (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        url -> Text,
        description -> Nullable<Text>,
        events -> Array<Nullable<Text>>,
        document -> Nullable<Text>,
        secret -> Bytea,
        previous_secret -> Nullable<Bytea>,
        previous_until -> Nullable<Timestamptz>,
        acts_for -> Uuid,
        granted -> Array<Nullable<Text>>,
        api_key_id -> Nullable<Uuid>,
        state -> Text,
        disabled_reason -> Nullable<Text>,
        failing_since -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Int4,
    }
}

diesel::joinable!(activities -> organizations (organization_id));
diesel::joinable!(api_keys -> organizations (organization_id));
diesel::joinable!(audit_entries -> organizations (organization_id));
diesel::joinable!(companies -> organizations (organization_id));
diesel::joinable!(contacts -> organizations (organization_id));
diesel::joinable!(deal_stage_changes -> organizations (organization_id));
diesel::joinable!(deals -> organizations (organization_id));
diesel::joinable!(invitations -> organizations (organization_id));
diesel::joinable!(jobs -> organizations (organization_id));
diesel::joinable!(memberships -> organizations (organization_id));
diesel::joinable!(memberships -> users (user_id));
diesel::joinable!(messages -> organizations (organization_id));
diesel::joinable!(pipeline_stages -> organizations (organization_id));
diesel::joinable!(pipelines -> organizations (organization_id));
diesel::joinable!(sessions -> organizations (organization_id));
diesel::joinable!(sms_templates -> organizations (organization_id));
diesel::joinable!(suppressions -> organizations (organization_id));
diesel::joinable!(tasks -> organizations (organization_id));
diesel::joinable!(webhook_attempts -> organizations (organization_id));
diesel::joinable!(webhook_deliveries -> organizations (organization_id));
diesel::joinable!(webhook_endpoints -> organizations (organization_id));

diesel::allow_tables_to_appear_in_same_query!(
    activities,
    api_keys,
    audit_entries,
    companies,
    contacts,
    deal_stage_changes,
    deals,
    heartbeats,
    inbound_events,
    invitations,
    jobs,
    memberships,
    messages,
    organizations,
    pipeline_stages,
    pipelines,
    provider_quotas,
    sessions,
    sms_templates,
    suppressions,
    tasks,
    trusted_documents,
    users,
    webhook_attempts,
    webhook_deliveries,
    webhook_endpoints,
);
