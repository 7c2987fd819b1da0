"""Provider offices before the plan: logins, profiles, PIN letters, remittances, permissions, the Mailbox."""
