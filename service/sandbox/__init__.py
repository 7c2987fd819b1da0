"""The sandbox: an invented plan, its sign-ins and apps, and the pages that only it has."""
