-- target_id has no reference: a report outlives what it is about.
CREATE TABLE reports (
    id SERIAL PRIMARY KEY,
    reporter_id INT NOT NULL REFERENCES users (id),
    target_type VARCHAR(20) NOT NULL
        CONSTRAINT reports_target_type_known CHECK (target_type IN ('user', 'message', 'track')),
    target_id INT NOT NULL,
    reason TEXT NOT NULL,
    status VARCHAR(20) NOT NULL DEFAULT 'open'
        CONSTRAINT reports_status_known CHECK (status IN ('open', 'resolved', 'dismissed')),
    resolution TEXT,
    handled_by INT REFERENCES users (id),
    handled_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- One open report of a person about a thing; a second would only be noise.
CREATE UNIQUE INDEX reports_open_once_key ON reports (reporter_id, target_type, target_id)
    WHERE status = 'open';
CREATE INDEX reports_status_idx ON reports (status, id DESC);
CREATE INDEX reports_target_idx ON reports (target_type, target_id);
CREATE INDEX audit_log_action_idx ON audit_log (action, id DESC);

-- What administrators look up among accounts and sessions.
CREATE INDEX users_role_idx ON users (role, id);
CREATE INDEX users_suspended_idx ON users (id) WHERE status = 'suspended';
CREATE INDEX users_created_at_idx ON users (created_at);
CREATE INDEX sessions_live_idx ON sessions (expires_at) WHERE ended_at IS NULL;
