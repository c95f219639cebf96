-- The fourth format: no index over the age of answers. Every answer paid for it with a page of its own in each commit, and only
-- forgetting old answers used it, which now reads the answers once.
DROP INDEX answer_by_age;
