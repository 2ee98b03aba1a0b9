DROP FUNCTION try_to_hold_tags_alone();
DROP INDEX tags_uncounted_idx;
