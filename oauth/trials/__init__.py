"""What developers try with their apps in the sandbox: each step that the server saw, and why one failed."""
