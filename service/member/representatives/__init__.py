"""Personal representatives: who acts for a member, who a person acts for, and the requests for it."""
