"""Answers of the API: bodies and headers, Bundles joined of stored bytes, page links, parts, the audit."""
