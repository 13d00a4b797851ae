-- Why an execution was cancelled, and how what it had done is made up for: it has ended then, but still does something.

ALTER TABLE executions
    -- {reason, source, by?, event?, time}; null: it was not cancelled.
    ADD COLUMN cancellation text,
    -- {status, plan, skipped?, failed?}; null: there is nothing to make up for.
    ADD COLUMN compensation text,
    -- The database's own time: events that were published since then are meant for the execution.
    ADD COLUMN insert_time  timestamptz;
UPDATE executions SET insert_time = create_time;
ALTER TABLE executions ALTER COLUMN insert_time SET DEFAULT now(), ALTER COLUMN insert_time SET NOT NULL;

ALTER TABLE executions DROP CONSTRAINT executions_ended_does_nothing;
ALTER TABLE executions ADD CONSTRAINT executions_ended_does_nothing CHECK
    (status IN ('CREATED', 'STARTED') OR phase = 'NONE' OR (status IN ('CANCELLED', 'FAILED') AND phase = 'COMPENSATING'));
