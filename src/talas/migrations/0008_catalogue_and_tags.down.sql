DROP TRIGGER tags_spelt ON tags;
DROP FUNCTION spell_tag();
DROP TABLE tag_spellings;
DROP FUNCTION spelling_keys(TEXT);

DROP TRIGGER tracks_leaving ON tracks;
DROP TRIGGER tracks_shown ON tracks;
DROP FUNCTION recount_tags_of_track();
DROP TRIGGER track_tags_counted ON track_tags;
DROP FUNCTION set_tag_use_counted();
DROP TRIGGER track_tags_moved ON track_tags;
DROP TRIGGER track_tags_removed ON track_tags;
DROP TRIGGER track_tags_added ON track_tags;
DROP FUNCTION count_tag_uses();
DROP FUNCTION hold_tags_alone();
DROP FUNCTION share_tags();

DROP INDEX tags_prefix_idx;
DROP INDEX tags_most_used_idx;
SELECT drop_count('tags');
ALTER TABLE tags
    DROP COLUMN used,
    DROP COLUMN usage_count;
ALTER TABLE track_tags DROP COLUMN counted;

DROP INDEX products_trigrams_idx;
DROP INDEX products_inactive_idx;
DROP INDEX products_brand_idx;
DROP INDEX products_price_desc_idx;
DROP INDEX products_price_idx;
DROP INDEX products_name_idx;
