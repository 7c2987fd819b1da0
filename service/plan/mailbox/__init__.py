"""The secure mailbox between offices and the plan."""
