"""Operations that are answered at once: a member's whole record, documents, batches, matching a member."""
