"""A search in SQL: the planner, its three plans, and the condition of the user."""
