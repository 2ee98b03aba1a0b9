DROP INDEX sessions_live_idx;
DROP INDEX users_created_at_idx;
DROP INDEX users_suspended_idx;
DROP INDEX users_role_idx;
DROP INDEX audit_log_action_idx;
DROP TABLE reports;
