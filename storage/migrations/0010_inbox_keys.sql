-- The keys of the inbox have to be the newest of its indexes, as 0001 says of executions: while a table has no statistics
-- PostgreSQL takes the newest of those that look equally good, and another would go through all tasks of a workspace.
ALTER TABLE human_task_actions DROP CONSTRAINT human_task_actions_task;
ALTER TABLE human_task_audience DROP CONSTRAINT human_task_audience_task;
ALTER TABLE human_tasks DROP CONSTRAINT human_tasks_pkey;
ALTER TABLE human_tasks ADD PRIMARY KEY (workspace, execution_id, step_id, visit);
ALTER TABLE human_task_audience DROP CONSTRAINT human_task_audience_pkey;
ALTER TABLE human_task_audience ADD PRIMARY KEY (workspace, execution_id, step_id, visit, kind, name);
ALTER TABLE human_task_audience ADD CONSTRAINT human_task_audience_task
    FOREIGN KEY (workspace, execution_id, step_id, visit) REFERENCES human_tasks ON DELETE CASCADE;
ALTER TABLE human_task_actions ADD CONSTRAINT human_task_actions_task
    FOREIGN KEY (workspace, execution_id, step_id, visit) REFERENCES human_tasks ON DELETE CASCADE;
