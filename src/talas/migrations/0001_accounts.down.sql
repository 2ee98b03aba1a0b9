DROP TABLE audit_log;
DROP FUNCTION refuse_audit_log_change();
DROP TABLE login_failures;
DROP TABLE sessions;
DROP TABLE users;
