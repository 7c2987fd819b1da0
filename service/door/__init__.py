"""Before every page and endpoint: who is let in, who waits, what is refused unread, how errors are told."""
