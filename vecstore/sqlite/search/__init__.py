"""A search in SQL.

    planner           search(): which plan answers a query, and whether it must look wider
    fusion            search(): by keywords and meaning, one ranking made of two
    keyword_ranking   the SQL of the ranking by keywords
    short_terms       words that FTS5 cannot find, by reading the texts
    private_keywords  a keyword index in memory, where that of the file cannot be used
    given_rows        what was found elsewhere, as a table of a statement
    matching          find_ids(): the ids of the rows that meet conditions
    plans             exact, fast and scan, each one statement
    graph_plan        the plan that compares what a graph proposes
    statement_parts   what these have in common
    selectivity       how many rows meet the conditions, and how SQLite finds them
    prefixes          the condition for ids that start with a text
    where             what goes wrong with the SQL of the user's in `where`
    advice            which index of metadata would have helped

Others use `planner`, `fusion` and `matching`.
"""
