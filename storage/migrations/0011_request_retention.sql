-- Outside a transaction.
-- What is remembered of requests is found by its age, to be forgotten. Built beside those who write: a table of all
-- requests ever made takes long. An index that a broken run left behind does not work, and goes first.
DROP INDEX CONCURRENTLY IF EXISTS requests_by_time;
CREATE INDEX CONCURRENTLY requests_by_time ON requests (create_time);
