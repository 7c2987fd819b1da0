"""Registration: the proofs that somebody is a member or a representative, and the pages of its steps."""
