"""From search parameters to SQL: the parameters as data, the query, its conditions, the index."""
