"""The message center: what members and representatives were told, kept, and of what they want mails."""
