"""Apps and their developers before the plan: reviewed, stopped, let in again, shut out."""
