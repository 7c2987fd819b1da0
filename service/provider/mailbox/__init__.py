"""The portal's side of the secure mailbox."""
