DROP INDEX audit_log_action_idx;
DROP TABLE reports;
