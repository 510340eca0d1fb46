"""A search in SQL.

    planner      search(): which plan answers a query, and whether it must look wider
    plans        the three plans, each one statement
    where        what goes wrong with the SQL of the user's in `where`

Others use `planner`.
"""
