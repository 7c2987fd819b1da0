"""What the plan has on file about a member, and who has looked at it."""
